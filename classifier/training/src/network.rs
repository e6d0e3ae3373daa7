//! What can be trained: a function from inputs to logits, built over named parameters.

use crate::error::Result;
use candle_core::Tensor;
use veilray_base::Rng;
use veilray_nn::Scope;
use veilray_nn::layers::Mode;

/// A network's shape, from which it is built over any store of parameters: seeded to train, frozen to evaluate.
pub trait Architecture {
    /// The network, its parameters in `scope`, with one logit per label.
    ///
    /// # Errors
    /// A shape that cannot be built, parameters of another network.
    fn build(&self, scope: &Scope) -> Result<Box<dyn Network>>;

    /// [channel, height, width] of an input.
    fn input(&self) -> [usize; 3];

    /// Number of logits.
    fn labels(&self) -> usize;

    /// Everything that must not change within a run, as text.
    fn describe(&self) -> String;
}

/// A built network.
pub trait Network {
    /// Logits [batch, label] of `input` [batch, channel, height, width].
    ///
    /// # Errors
    /// An input of another shape.
    fn forward(&self, input: &Tensor, pass: &mut Pass<'_>) -> veilray_nn::Result<Tensor>;
}

/// One way through a network: training or evaluating, and what is watched on the way.
#[derive(Debug)]
pub struct Pass<'a> {
    rng: Option<&'a mut Rng>,
    watched: Option<Vec<Watched>>,
}

/// What goes into an activation.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The activation's name.
    pub layer: String,
    /// Its input [batch, channel, ...].
    pub values: Tensor,
    /// a, b and c [3, channel], where it is a polynomial with trained coefficients.
    pub coefficients: Option<Tensor>,
}

impl<'a> Pass<'a> {
    /// Training: statistics of the batch, dropout drawn from `rng`.
    pub fn train(rng: &'a mut Rng) -> Self {
        Self { rng: Some(rng), watched: None }
    }

    /// Evaluation: running statistics, no dropout.
    pub fn evaluate() -> Self {
        Self { rng: None, watched: None }
    }

    /// The same, keeping what goes into each activation.
    #[must_use]
    pub fn watching(self) -> Self {
        Self { watched: Some(Vec::new()), ..self }
    }

    /// Whether layers that behave differently in training are in training or in evaluation.
    pub fn mode(&self) -> Mode {
        if self.rng.is_some() { Mode::Train } else { Mode::Evaluate }
    }

    /// Whether activations' inputs are kept.
    pub fn is_watching(&self) -> bool {
        self.watched.is_some()
    }

    /// Keeps an activation's input, where it is asked for.
    pub fn watch(&mut self, layer: &str, values: &Tensor, coefficients: Option<Tensor>) {
        if let Some(watched) = &mut self.watched {
            watched.push(Watched { layer: layer.into(), values: values.clone(), coefficients });
        }
    }

    /// What was kept.
    pub fn watched(&mut self) -> Vec<Watched> {
        self.watched.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Dropout in training, `values` itself in evaluation.
    ///
    /// # Errors
    /// A probability outside [0, 1).
    pub fn dropout(&mut self, values: &Tensor, probability: f64) -> veilray_nn::Result<Tensor> {
        match &mut self.rng {
            Some(rng) => veilray_nn::ops::dropout(values, probability, rng),
            None => Ok(values.clone()),
        }
    }
}
