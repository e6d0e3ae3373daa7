//! The names of the crate `tokenizers` that candle-core's reader of GGUF files uses. No value of them exists: what would make the first,
//! [`models::bpe::BpeBuilder::build`], gives [`LeftOut`].

use std::convert::Infallible;
use std::fmt;

/// Text tokenizers are left out of this build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftOut;

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this build has no text tokenizers; remove the patch of the crate tokenizers from Cargo.toml to have them")
    }
}

impl std::error::Error for LeftOut {}

/// A value that says nothing, and what can be made of it.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident from $($from:ty),*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name;
        $(impl From<$from> for $name {
            fn from(_: $from) -> Self {
                Self
            }
        })*
    };
}

/// A tokenizer.
#[derive(Debug, Clone)]
pub struct Tokenizer(Infallible);

impl Tokenizer {
    /// Of a model, which cannot exist.
    pub fn new(model: models::bpe::BPE) -> Self {
        match model.0 {}
    }

    /// Sets what changes text first.
    ///
    /// # Errors
    /// Never: there is no tokenizer.
    pub fn with_normalizer(&mut self, _: Option<normalizers::NormalizerWrapper>) -> Result<&mut Self, LeftOut> {
        match self.0 {}
    }

    /// Sets what cuts text.
    pub fn with_pre_tokenizer(&mut self, _: Option<pre_tokenizers::PreTokenizerWrapper>) -> &mut Self {
        match self.0 {}
    }

    /// Sets what joins tokens.
    pub fn with_decoder(&mut self, _: Option<decoders::DecoderWrapper>) -> &mut Self {
        match self.0 {}
    }

    /// Sets what adds tokens.
    pub fn with_post_processor(&mut self, _: Option<processors::PostProcessorWrapper>) -> &mut Self {
        match self.0 {}
    }

    /// Adds tokens.
    ///
    /// # Errors
    /// Never: there is no tokenizer.
    pub fn add_special_tokens(&mut self, _: Vec<AddedToken>) -> Result<usize, LeftOut> {
        match self.0 {}
    }
}

/// A token that is not cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedToken {
    /// Its text.
    pub content: String,
    /// Whether decoding leaves it out.
    pub special: bool,
}

impl AddedToken {
    /// Of a text.
    pub fn from(content: impl Into<String>, special: bool) -> Self {
        Self { content: content.into(), special }
    }
}

/// Models.
pub mod models {
    /// Byte pairs.
    pub mod bpe {
        use crate::LeftOut;
        use std::collections::HashMap;

        /// Tokens and their numbers.
        pub type Vocab = HashMap<String, u32>;

        /// The model.
        #[derive(Debug, Clone)]
        pub struct BPE(pub(crate) std::convert::Infallible);

        impl BPE {
            /// Builds one.
            pub fn builder() -> BpeBuilder {
                BpeBuilder
            }
        }

        /// Builds no model.
        #[derive(Debug, Clone, Copy)]
        pub struct BpeBuilder;

        impl BpeBuilder {
            /// Tokens, and the pairs that join.
            #[must_use]
            pub fn vocab_and_merges(self, _: Vocab, _: Vec<(String, String)>) -> Self {
                self
            }

            /// The token of what is unknown.
            #[must_use]
            pub fn unk_token(self, _: String) -> Self {
                self
            }

            /// Whether unknown text becomes bytes.
            #[must_use]
            pub fn byte_fallback(self, _: bool) -> Self {
                self
            }

            /// Whether whole tokens are found first.
            #[must_use]
            pub fn ignore_merges(self, _: bool) -> Self {
                self
            }

            /// The model.
            ///
            /// # Errors
            /// Always [`LeftOut`].
            pub fn build(self) -> Result<BPE, LeftOut> {
                Err(LeftOut)
            }
        }
    }
}

/// Bytes as characters: a cutter, a joiner and a processor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ByteLevel;

impl ByteLevel {
    /// Whether a space is put first, offsets are trimmed, a regular expression is used.
    pub fn new(_: bool, _: bool, _: bool) -> Self {
        Self
    }
}

/// What joins tokens.
pub mod decoders {
    /// Bytes as characters.
    pub mod byte_level {
        pub use crate::ByteLevel;
    }
    named! {
        /// Any of them.
        DecoderWrapper from byte_level::ByteLevel
    }
}

/// What changes text first.
pub mod normalizers {
    /// Unicode's forms.
    pub mod unicode {
        /// Composed characters.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct NFC;
    }
    named! {
        /// Any of them.
        NormalizerWrapper from unicode::NFC
    }
}

/// What cuts text.
pub mod pre_tokenizers {
    /// Bytes as characters.
    pub mod byte_level {
        pub use crate::ByteLevel;
    }
    /// One after the other.
    pub mod sequence {
        /// Several.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Sequence;

        impl Sequence {
            /// Of several.
            pub fn new(_: Vec<super::PreTokenizerWrapper>) -> Self {
                Self
            }
        }
    }
    /// At a pattern.
    pub mod split {
        use crate::LeftOut;
        use crate::tokenizer::SplitDelimiterBehavior;

        /// Where to cut.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum SplitPattern {
            /// At a regular expression.
            Regex(String),
        }

        /// Cuts at a pattern; there is none.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Split(pub(crate) std::convert::Infallible);

        impl Split {
            /// Of a pattern.
            ///
            /// # Errors
            /// Always [`LeftOut`].
            pub fn new(_: SplitPattern, _: SplitDelimiterBehavior, _: bool) -> Result<Self, LeftOut> {
                Err(LeftOut)
            }
        }
    }
    named! {
        /// Any of them.
        PreTokenizerWrapper from byte_level::ByteLevel, sequence::Sequence, split::Split
    }
}

/// What adds tokens.
pub mod processors {
    /// Bytes as characters.
    pub mod byte_level {
        pub use crate::ByteLevel;
    }
    /// One after the other.
    pub mod sequence {
        /// Several.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Sequence;

        impl Sequence {
            /// Of several.
            pub fn new(_: Vec<super::PostProcessorWrapper>) -> Self {
                Self
            }
        }
    }
    /// Tokens around a text.
    pub mod template {
        use crate::LeftOut;

        /// Puts tokens around a text; there is none.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct TemplateProcessing(pub(crate) std::convert::Infallible);

        impl TemplateProcessing {
            /// Builds one.
            pub fn builder() -> TemplateBuilder {
                TemplateBuilder
            }
        }

        /// Builds no template.
        #[derive(Debug, Clone, Copy)]
        pub struct TemplateBuilder;

        impl TemplateBuilder {
            /// Around one text.
            ///
            /// # Errors
            /// Always [`LeftOut`].
            pub fn try_single(&mut self, _: Vec<String>) -> Result<&mut Self, LeftOut> {
                Err(LeftOut)
            }

            /// Around two.
            ///
            /// # Errors
            /// Always [`LeftOut`].
            pub fn try_pair(&mut self, _: Vec<String>) -> Result<&mut Self, LeftOut> {
                Err(LeftOut)
            }

            /// The tokens and their numbers.
            pub fn special_tokens(&mut self, _: Vec<(String, u32)>) -> &mut Self {
                self
            }

            /// The template.
            ///
            /// # Errors
            /// Always [`LeftOut`].
            pub fn build(&self) -> Result<TemplateProcessing, LeftOut> {
                Err(LeftOut)
            }
        }
    }

    /// Any of them.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum PostProcessorWrapper {
        /// Bytes as characters.
        ByteLevel(byte_level::ByteLevel),
        /// One after the other.
        Sequence(sequence::Sequence),
        /// Tokens around a text.
        Template(template::TemplateProcessing),
    }

    impl From<byte_level::ByteLevel> for PostProcessorWrapper {
        fn from(value: byte_level::ByteLevel) -> Self {
            Self::ByteLevel(value)
        }
    }

    impl From<sequence::Sequence> for PostProcessorWrapper {
        fn from(value: sequence::Sequence) -> Self {
            Self::Sequence(value)
        }
    }
}

/// Words of the tokenizer itself.
pub mod tokenizer {
    /// What becomes of the text that is cut at.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum SplitDelimiterBehavior {
        /// It stands alone.
        Isolated,
    }
}
