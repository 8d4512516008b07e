//! prost's codec with two differences. The buffer of a message is as large as the message. The
//! messages of a stream are collected up to 4 KiB only.
//!
//! prost's buffer doubles as it grows. A response that waits for a slow reader would take
//! twice its size, and each response would be copied several times. A stream keeps its buffer
//! while it is idle. By default that takes 32 KiB of events, which every open watch would hold.
//! `build.rs` names this codec to the generated code.

use std::marker::PhantomData;

use prost::Message;
use tonic::{
    Status,
    codec::{BufferSettings, Codec, EncodeBuf, Encoder},
};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

/// The size of a buffer at first, enough for a response with one inbox.
const BUFFER_BYTES: usize = 2 << 10;

/// The size at which messages of a stream are sent.
const SENT_BYTES: usize = 4 << 10;

/// Encodes `T`, decodes `U`.
pub struct SizedCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for SizedCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for SizedCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = SizedEncoder<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        SizedEncoder(ProstEncoder::new(BufferSettings::new(
            BUFFER_BYTES,
            SENT_BYTES,
        )))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<T, U>::default().decoder()
    }
}

pub struct SizedEncoder<T>(ProstEncoder<T>);

impl<T: Message> Encoder for SizedEncoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, message: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(message.encoded_len());
        self.0.encode(message, buffer)
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.0.buffer_settings()
    }
}
