"""Makes one call with gRPC's own library for Python, and prints what came of it.

The call is a JSON document on standard input: where, which method, the bytes of the request in
base64, options of the channel, whether to compress, and for TLS what is presented. So is what is
printed.
"""

import base64
import json
import sys

import grpc

call = json.load(sys.stdin)
compression = {
    "none": grpc.Compression.NoCompression,
    "gzip": grpc.Compression.Gzip,
    "deflate": grpc.Compression.Deflate,
}[call["compression"]]


def text(value):
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def channel_of(call, options, compression):
    presented = call.get("presented")
    if presented is None:
        return grpc.insecure_channel(call["target"], options, compression)
    files = [presented.get(name) for name in ("root", "key", "chain")]
    files = [file and file.encode() for file in files]
    credentials = grpc.ssl_channel_credentials(*files)
    if "token" in presented:
        token = grpc.access_token_call_credentials(presented["token"])
        credentials = grpc.composite_channel_credentials(credentials, token)
    return grpc.secure_channel(call["target"], credentials, options, compression)


options = list(call["options"].items())
headers = tuple(call.get("headers", {}).items())
with channel_of(call, options, compression) as channel:
    method = channel.unary_unary(call["method"])  # Without serializers, it takes and gives bytes.
    try:
        answer = method(base64.b64decode(call["request"]), timeout=30, metadata=headers)
        print(json.dumps({"code": "OK", "answer": text(answer)}))
    except grpc.RpcError as error:
        metadata = {key: text(value) for key, value in error.trailing_metadata() or ()}
        print(json.dumps({"code": error.code().name, "text": error.details(), "metadata": metadata}))
