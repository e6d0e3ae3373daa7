//! The kinds of objects that the wire format knows.

/// The first bytes of every object but a secret key.
pub(crate) const MAGIC: [u8; 8] = *b"VEILRAY\0";
/// The first bytes of a secret key.
pub(crate) const SECRET_MAGIC: [u8; 8] = *b"!SECRET!";

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u16)]
pub enum Object {
    /// A [`ParamsLiteral`](crate::ParamsLiteral).
    Params = 1,
    /// A [`Ciphertext`](crate::Ciphertext) with both polynomials.
    Ciphertext = 2,
    /// A [`Ciphertext`](crate::Ciphertext) whose second polynomial is a seed.
    SeededCiphertext = 3,
    /// [`EvaluationKeys`](crate::EvaluationKeys).
    EvaluationKeys = 4,
    /// A [`PublicKey`](crate::PublicKey).
    PublicKey = 5,
    /// A [`SecretKey`](crate::SecretKey).
    SecretKey = 6,
}

impl Object {
    const ALL: [Self; 6] =
        [Self::Params, Self::Ciphertext, Self::SeededCiphertext, Self::EvaluationKeys, Self::PublicKey, Self::SecretKey];

    pub(crate) fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|object| *object as u16 == number)
    }

    pub(crate) fn magic(self) -> [u8; 8] {
        if self == Self::SecretKey { SECRET_MAGIC } else { MAGIC }
    }
}

impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Params => "parameters",
            Self::Ciphertext => "a ciphertext",
            Self::SeededCiphertext => "a seeded ciphertext",
            Self::EvaluationKeys => "evaluation keys",
            Self::PublicKey => "a public key",
            Self::SecretKey => "a secret key",
        })
    }
}
