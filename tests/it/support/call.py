"""Makes one call with gRPC's own library for Python, and prints what came of it.

The call is a JSON document on standard input: where, which method, the bytes of the request in
base64, options of the channel, and whether to compress. So is what is printed.
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


options = list(call["options"].items())
with grpc.insecure_channel(call["target"], options, compression) as channel:
    method = channel.unary_unary(call["method"])  # Without serializers, it takes and gives bytes.
    try:
        answer = method(base64.b64decode(call["request"]), timeout=30)
        print(json.dumps({"code": "OK", "answer": text(answer)}))
    except grpc.RpcError as error:
        metadata = {key: text(value) for key, value in error.trailing_metadata() or ()}
        print(json.dumps({"code": error.code().name, "text": error.details(), "metadata": metadata}))
