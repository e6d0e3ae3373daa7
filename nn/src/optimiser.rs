//! Adam and its relatives, with their state in the checkpoint.

use crate::bundle::Bundle;
use crate::error::{Error, Result};
use crate::inplace::{update1, update2};
use crate::ops::cpu;
use crate::params::ParamStore;
use crate::state::State;
use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a step follows from the gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Rule {
    /// Kingma and Ba 2015; weight decay joins the gradient.
    Adam,
    /// Loshchilov and Hutter 2019; weight decay acts on the weights directly.
    #[default]
    AdamW,
    /// Reddi et al. 2018: Adam whose second moment never falls.
    AmsGrad,
}

/// An optimiser's settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimiserConfig {
    /// The rule by which a step follows from the gradients.
    pub rule: Rule,
    /// Learning rate, before the factor of a learning-rate schedule; finite and not negative.
    pub learning_rate: f64,
    /// Decay rates of the first and the second moment, each in [0, 1).
    pub betas: [f64; 2],
    /// Added to the square root of the second moment; positive.
    pub eps: f64,
    /// Decay of the parameters named `weight` of two and more dimensions; biases, normalisations and activations never decay.
    pub weight_decay: f64,
    /// Gradients are scaled down to this Euclidean norm over all parameters together, where theirs is larger; positive.
    pub clip_norm: Option<f64>,
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        Self { rule: Rule::AdamW, learning_rate: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.01, clip_norm: None }
    }
}

impl OptimiserConfig {
    fn check(&self) -> Result<()> {
        let refuse = |what, wanted, found: f64| Err(Error::Setting { what, wanted, found: found.to_string() });
        if !(self.learning_rate.is_finite() && self.learning_rate >= 0.0) {
            return refuse("learning rate", "finite and not negative", self.learning_rate);
        }
        if let Some(beta) = self.betas.iter().find(|beta| !(0.0..1.0).contains(*beta)) {
            return refuse("beta", "in [0, 1)", *beta);
        }
        if !(self.eps.is_finite() && self.eps > 0.0) {
            return refuse("eps", "positive", self.eps);
        }
        if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            return refuse("weight decay", "finite and not negative", self.weight_decay);
        }
        if let Some(norm) = self.clip_norm.filter(|norm| norm.is_nan() || *norm <= 0.0) {
            return refuse("clip norm", "positive", norm);
        }
        Ok(())
    }
}

/// Moves a set of variables along their gradients.
#[derive(Debug)]
pub struct Optimiser {
    config: OptimiserConfig,
    steps: u64,
    slots: BTreeMap<String, Slot>,
}

#[derive(Debug)]
struct Slot {
    variable: Var,
    decays: bool,
    first: Var,
    second: Var,
    /// AMSGrad's largest second moment.
    largest: Option<Var>,
}

impl Optimiser {
    /// For every trained parameter of `params`.
    ///
    /// # Errors
    /// A setting outside its range.
    pub fn new(config: OptimiserConfig, params: &ParamStore) -> Result<Self> {
        Self::for_variables(config, params.variables())
    }

    /// For some variables by name.
    ///
    /// # Errors
    /// A setting outside its range.
    pub fn for_variables(config: OptimiserConfig, variables: BTreeMap<String, Var>) -> Result<Self> {
        config.check()?;
        let slot = |(name, variable): (String, Var)| -> Result<(String, Slot)> {
            let zeros = || Ok::<_, Error>(Var::from_tensor(&variable.as_detached_tensor().zeros_like()?)?);
            let decays = variable.rank() >= 2 && name.rsplit('.').next() == Some("weight");
            let largest = if config.rule == Rule::AmsGrad { Some(zeros()?) } else { None };
            let (first, second) = (zeros()?, zeros()?);
            Ok((name, Slot { variable, decays, first, second, largest }))
        };
        Ok(Self { config, steps: 0, slots: variables.into_iter().map(slot).collect::<Result<_>>()? })
    }

    /// The settings it was made with.
    pub fn config(&self) -> &OptimiserConfig {
        &self.config
    }

    /// Steps taken so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// One step along `gradients` with the learning rate times `factor` (a [`Schedule`](crate::Schedule)'s). Variables without a
    /// gradient stay as they are. Returns the gradients' norm before clipping.
    ///
    /// # Errors
    /// [`Error::NotFinite`] where the norm is; then nothing was changed.
    pub fn step(&mut self, gradients: &GradStore, factor: f64) -> Result<f64> {
        let norm = self.norm(gradients)?;
        if !norm.is_finite() {
            return Err(Error::NotFinite { step: self.steps + 1, norm });
        }
        self.steps += 1;
        let scale = self.config.clip_norm.map_or(1.0, |limit| (limit / norm.max(f64::MIN_POSITIVE)).min(1.0));
        let rate = self.config.learning_rate * factor;
        let update = Update::new(&self.config, self.steps, rate, scale);
        for slot in self.slots.values() {
            if let Some(gradient) = gradients.get(&slot.variable) {
                update.apply(slot, gradient)?;
            }
        }
        Ok(norm)
    }

    /// The Euclidean norm of all gradients together, in `f64` and in a fixed order.
    fn norm(&self, gradients: &GradStore) -> Result<f64> {
        let mut sum = 0.0;
        for slot in self.slots.values() {
            if let Some(gradient) = gradients.get(&slot.variable) {
                sum += sum_of_squares(gradient)?;
            }
        }
        Ok(sum.sqrt())
    }

    fn state(&self) -> BTreeMap<String, Tensor> {
        let mut state = BTreeMap::new();
        for (name, slot) in &self.slots {
            state.insert(format!("first.{name}"), slot.first.as_detached_tensor());
            state.insert(format!("second.{name}"), slot.second.as_detached_tensor());
            if let Some(largest) = &slot.largest {
                state.insert(format!("largest.{name}"), largest.as_detached_tensor());
            }
        }
        state
    }
}

impl State for Optimiser {
    fn save(&self, bundle: &mut Bundle, name: &str) -> Result<()> {
        bundle.put(&format!("{name}.steps"), &self.steps)?;
        bundle.put_tensors(name, &self.state());
        Ok(())
    }

    fn load(&mut self, bundle: &Bundle, name: &str) -> Result<()> {
        let stored = bundle.tensors(name);
        for (slot, slot_state) in &self.slots {
            for (kind, var) in [
                ("first", Some(&slot_state.first)),
                ("second", Some(&slot_state.second)),
                ("largest", slot_state.largest.as_ref()),
            ] {
                let Some(var) = var else { continue };
                let key = format!("{kind}.{slot}");
                let tensor = stored.get(&key).ok_or_else(|| Error::MissingTensor { name: format!("{name}.{key}") })?;
                if tensor.dims() != var.dims() {
                    let (wanted, found) = (var.dims().to_vec(), tensor.dims().to_vec());
                    return Err(Error::TensorShape { name: format!("{name}.{key}"), wanted, found });
                }
                var.set(&tensor.to_device(var.device())?)?;
            }
        }
        self.steps = bundle.get(&format!("{name}.steps"))?;
        Ok(())
    }
}

/// The numbers of one step.
struct Update {
    rule: Rule,
    betas: [f32; 2],
    scale: f32,
    /// Learning rate over the first moment's bias.
    rate: f32,
    /// 1 / root of the second moment's bias.
    correction: f32,
    eps: f32,
    /// Decay that joins the gradient.
    coupled: f32,
    /// What decoupled decay leaves of a weight.
    keep: f32,
}

impl Update {
    fn new(config: &OptimiserConfig, step: u64, rate: f64, scale: f64) -> Self {
        let [b1, b2] = config.betas;
        let t = step as f64;
        let decoupled = config.rule == Rule::AdamW;
        Self {
            rule: config.rule,
            betas: [b1 as f32, b2 as f32],
            scale: scale as f32,
            rate: (rate / (1.0 - b1.powf(t))) as f32,
            correction: (1.0 - b2.powf(t)).sqrt().recip() as f32,
            eps: config.eps as f32,
            coupled: if decoupled { 0.0 } else { config.weight_decay as f32 },
            keep: if decoupled { (1.0 - rate * config.weight_decay) as f32 } else { 1.0 },
        }
    }

    fn apply(&self, slot: &Slot, gradient: &Tensor) -> Result<()> {
        let [b1, b2] = self.betas;
        let (coupled, keep) = if slot.decays { (self.coupled, self.keep) } else { (0.0, 1.0) };
        let (scale, rate, correction, eps) = (self.scale, self.rate, self.correction, self.eps);
        let weight = slot.variable.as_detached_tensor();
        let whole = |g: &Tensor, w: &Tensor| (g * f64::from(scale))? + (w * f64::from(coupled))?;
        update2(
            &slot.first,
            gradient,
            &weight,
            |m, g, w| b1 * m + (1.0 - b1) * (scale * g + coupled * w),
            |m, g, w| (m * f64::from(b1))? + (whole(g, w)? * f64::from(1.0 - b1))?,
        )?;
        update2(
            &slot.second,
            gradient,
            &weight,
            |v, g, w| {
                let g = scale * g + coupled * w;
                b2 * v + (1.0 - b2) * g * g
            },
            |v, g, w| (v * f64::from(b2))? + (whole(g, w)?.sqr()? * f64::from(1.0 - b2))?,
        )?;
        let second = match &slot.largest {
            Some(largest) if self.rule == Rule::AmsGrad => {
                update1(largest, &slot.second, |a, b| a.max(b), |a, b| a.maximum(b))?;
                largest
            }
            _ => &slot.second,
        };
        update2(
            &slot.variable,
            &slot.first,
            second,
            |w, m, v| keep * w - rate * m / (v.sqrt() * correction + eps),
            |w, m, v| {
                let root = ((v.sqrt()? * f64::from(correction))? + f64::from(eps))?;
                (w * f64::from(keep))? - (m * f64::from(rate))?.div(&root)?
            },
        )
    }
}

fn sum_of_squares(gradient: &Tensor) -> Result<f64> {
    let gradient = gradient.detach();
    if !cpu::is_ours(&gradient) {
        return Ok(gradient.to_dtype(candle_core::DType::F64)?.sqr()?.sum_all()?.to_scalar::<f64>()?);
    }
    let gradient = gradient.contiguous()?;
    let values = cpu::read(&gradient)?;
    let parts: Vec<f64> = values
        .par_chunks(cpu::CHUNK)
        .map(|part| {
            let [sum] = cpu::vectorised(
                #[inline(always)]
                || {
                    cpu::sums(
                        part,
                        part,
                        #[inline(always)]
                        |x, _| [x * x],
                    )
                },
            );
            sum
        })
        .collect();
    Ok(parts.iter().sum())
}
