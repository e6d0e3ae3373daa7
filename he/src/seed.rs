//! stand-in
use crate::Result;
use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed([u8; 32]);
impl Seed {
    pub fn random() -> Result<Self> {
        let mut b = [0; 32];
        getrandom::fill(&mut b).unwrap();
        Ok(Self(b))
    }
    pub fn from_bytes(b: [u8; 32]) -> Self {
        Self(b)
    }
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}
pub(crate) struct SecretRng(ChaCha20);
impl SecretRng {
    pub fn from_os() -> Result<Self> {
        Ok(Self::from_seed(*Seed::random()?.as_bytes()))
    }
    pub fn from_seed(s: [u8; 32]) -> Self {
        Self(ChaCha20::new(&s.into(), &[0u8; 12].into()))
    }
    pub fn fill(&mut self, out: &mut [u8]) {
        out.fill(0);
        self.0.apply_keystream(out)
    }
}
pub(crate) fn uniform_limb(seed: &Seed, stream: u64, q: u32, out: &mut [u32]) {
    let mut nonce = [0u8; 12];
    nonce[..8].copy_from_slice(&stream.to_le_bytes());
    let mut c = ChaCha20::new(seed.as_bytes().into(), &nonce.into());
    let mask = u32::MAX >> q.leading_zeros();
    let mut buf = [0u8; 4096];
    let mut k = 0;
    while k < out.len() {
        buf.fill(0);
        c.apply_keystream(&mut buf);
        for w in buf.chunks_exact(4) {
            let v = u32::from_le_bytes([w[0], w[1], w[2], w[3]]) & mask;
            if k < out.len() && v < q {
                out[k] = v;
                k += 1;
            }
        }
    }
}
