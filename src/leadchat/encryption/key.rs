//! Encryption with a key of AES-256-GCM, as Rails does it: long texts are compressed, and
//! there is no associated data.

use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use hmac::{Hmac, Mac};
use pbkdf2::pbkdf2_hmac;
use secrecy::{ExposeSecret, SecretString};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{
    Digest,
    envelope::{Encoding, Envelope, Message},
};

const KEY_ITERATIONS: u32 = 65_536;

/// A text of more bytes is compressed.
const MAX_UNCOMPRESSED_BYTES: usize = 140;

/// The maximum size of an inflated text, in bytes. leadchat accepts at most 20,000
/// characters; more must be a decompression bomb.
const MAX_INFLATED_BYTES: usize = 128 << 10;

/// The maximum ratio of inflated to deflated bytes.
const MAX_INFLATE_RATIO: usize = 1032;

/// The overhead of zlib for incompressible data, in bytes: header, blocks and checksum.
const DEFLATE_OVERHEAD_BYTES: usize = 64;

pub struct Key {
    cipher: Aes256Gcm,
    /// Makes the initialization vectors of deterministic encryption.
    iv_mac: Hmac<Sha256>,
    reference: String,
}

impl Key {
    /// Slow by design.
    pub fn derive(text: &SecretString, salt: &SecretString, digest: Digest) -> Self {
        let derive = match digest {
            Digest::Sha1 => pbkdf2_hmac::<Sha1>,
            Digest::Sha256 => pbkdf2_hmac::<Sha256>,
        };
        let mut key = Zeroizing::new([0; 32]);
        let (text, salt) = (text.expose_secret(), salt.expose_secret());
        derive(text.as_bytes(), salt.as_bytes(), KEY_ITERATIONS, &mut *key);
        Self::new(&key)
    }

    fn new(key: &[u8; 32]) -> Self {
        // HMAC fills a key up to a block with zeros.
        let mut block = Zeroizing::new([0; 64]);
        block.split_at_mut(key.len()).0.copy_from_slice(key);
        Self {
            cipher: Aes256Gcm::new(key.into()),
            iv_mac: Hmac::new((&*block).into()),
            reference: hex::encode(Sha1::digest(key)).chars().take(4).collect(),
        }
    }

    /// The text in an envelope; `None` if this key does not decrypt it, or the content is
    /// no text.
    pub fn decrypt(&self, envelope: &Envelope<'_>) -> Option<SecretString> {
        let Message {
            payload,
            initialization_vector,
            tag,
            key,
            is_compressed,
            encoding,
        } = envelope.message()?;
        if key.is_some_and(|key| key != self.reference().as_bytes()) {
            return None;
        }
        let mut bytes = Zeroizing::new(payload);
        self.cipher
            .decrypt_inout_detached(
                &initialization_vector.into(),
                &[],
                bytes.as_mut_slice().into(),
                &tag.into(),
            )
            .ok()?;
        let bytes = if is_compressed {
            inflate(&bytes)?
        } else {
            bytes
        };
        decode(&bytes, encoding)
    }

    /// The envelope of deterministic encryption, as Rails writes it.
    pub fn encrypt(&self, text: &str) -> Option<SecretString> {
        let reference = BASE64_STANDARD.encode(self.reference());
        let headers = format!(r#","i":"{reference}""#);
        if text.len() > MAX_UNCOMPRESSED_BYTES {
            self.to_envelope(deflate(text.as_bytes())?, &format!(r#"{headers},"c":true"#))
        } else {
            self.to_envelope(Zeroizing::new(text.as_bytes().to_vec()), &headers)
        }
    }

    /// With headers beside those that the cipher needs.
    pub fn to_envelope(
        &self,
        mut bytes: Zeroizing<Vec<u8>>,
        headers: &str,
    ) -> Option<SecretString> {
        let hash = self.iv_mac.clone().chain_update(&*bytes).finalize();
        let hash = hash.into_bytes();
        let (initialization_vector, _) = hash.split_first_chunk::<12>()?;
        let tag = self
            .cipher
            .encrypt_inout_detached(
                initialization_vector.into(),
                &[],
                bytes.as_mut_slice().into(),
            )
            .ok()?;
        let envelope = format!(
            r#"{{"p":"{}","h":{{"iv":"{}","at":"{}"{headers}}}}}"#,
            BASE64_STANDARD.encode(&*bytes),
            BASE64_STANDARD.encode(initialization_vector),
            BASE64_STANDARD.encode(tag),
        );
        Some(envelope.into())
    }

    /// The reference of this key in envelopes.
    pub fn reference(&self) -> &str {
        &self.reference
    }
}

/// As zlib writes it at its usual level, byte for byte.
fn deflate(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let max_bytes = text.len() + text.len() / 1000 + DEFLATE_OVERHEAD_BYTES;
    let mut bytes = Zeroizing::new(Vec::with_capacity(max_bytes));
    let status = Compress::new(Compression::default(), true)
        .compress_vec(text, &mut bytes, FlushCompress::Finish)
        .ok()?;
    (status == Status::StreamEnd).then_some(bytes)
}

/// `None` also where it is longer than any text may be.
fn inflate(bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let max_bytes = MAX_INFLATED_BYTES.min(bytes.len().saturating_mul(MAX_INFLATE_RATIO));
    let mut text = Zeroizing::new(Vec::with_capacity(max_bytes));
    let status = Decompress::new(true)
        .decompress_vec(bytes, &mut text, FlushDecompress::Finish)
        .ok()?;
    (status == Status::StreamEnd).then_some(text)
}

fn decode(bytes: &[u8], encoding: Encoding) -> Option<SecretString> {
    match encoding {
        Encoding::Ascii if !bytes.is_ascii() => None,
        Encoding::Latin1 if !bytes.is_ascii() => {
            // At most two bytes each, so that it is not moved while it grows.
            let mut text = Zeroizing::new(String::with_capacity(2 * bytes.len()));
            text.extend(bytes.iter().copied().map(char::from));
            Some(text.as_str().into())
        }
        Encoding::Utf8 | Encoding::Ascii | Encoding::Latin1 => {
            str::from_utf8(bytes).ok().map(Into::into)
        }
    }
}
