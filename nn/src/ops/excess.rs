//! How far values leave a range, as a term of a loss.

use super::types::{Unit, at_least};
use super::{composed, cpu};
use crate::error::{Error, Result};
use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};
use rayon::prelude::*;

/// Mean over all values x of `input` of max(|x| / u - `bound`, 0)², a scalar, where u is 1 or the input's root mean square, but not less than 1e-12. NaN for an input that holds one.
///
/// # Errors
/// An input without a value, a bound that is not finite.
pub fn excess(input: &Tensor, bound: f64, unit: Unit) -> Result<Tensor> {
    const OP: &str = "excess";
    if input.elem_count() == 0 {
        return Err(Error::Shape {
            op: OP,
            argument: "input",
            wanted: "at least one value".into(),
            found: input.dims().to_vec(),
        });
    }
    if !bound.is_finite() {
        return Err(Error::Setting { what: "bound of excess", wanted: "finite", found: bound.to_string() });
    }
    if !cpu::is_ours(input) {
        return composed::excess(input, bound, unit);
    }
    let input = input.contiguous()?;
    let unit = match unit {
        Unit::Absolute => 1.0,
        Unit::RootMeanSquare => at_least(
            mean(
                &cpu::read(&input)?,
                #[inline(always)]
                |x| x * x,
            )
            .sqrt(),
        ),
    };
    Ok(input.apply_op1(Excess { scale: (1.0 / unit) as f32, bound: bound as f32 })?)
}

/// The mean of `f`, in chunks of a fixed length that are added in order.
fn mean(x: &[f32], f: impl Fn(f32) -> f32 + Copy + Sync) -> f64 {
    let sums = x.par_chunks(cpu::CHUNK).map(|x| {
        let [sum] = cpu::vectorised(
            #[inline(always)]
            || {
                cpu::sums(
                    x,
                    x,
                    #[inline(always)]
                    |x, _| [f(x)],
                )
            },
        );
        sum
    });
    sums.collect::<Vec<f64>>().iter().sum::<f64>() / x.len() as f64
}

struct Excess {
    scale: f32,
    bound: f32,
}

impl Excess {
    #[inline(always)]
    fn of(&self, x: f32) -> f32 {
        // Unlike max, this lets a NaN through, for the training loop to stop at.
        let over = x.abs() * self.scale - self.bound;
        if over <= 0.0 { 0.0 } else { over }
    }
}

impl CustomOp1 for Excess {
    fn name(&self) -> &'static str {
        "veilray-excess"
    }

    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let squares = mean(
            cpu::floats(x, xl)?,
            #[inline(always)]
            |x| self.of(x) * self.of(x),
        );
        Ok((CpuStorage::F32(vec![squares as f32]), Shape::from(())))
    }

    fn bwd(&self, x: &Tensor, result: &Tensor, g: &Tensor) -> candle_core::Result<Option<Tensor>> {
        // Nothing beyond the bound, or a loss that does not depend on it: no gradient to be added to those of other consumers.
        let slope = g.to_scalar::<f32>()? * 2.0 * self.scale / x.elem_count() as f32;
        if slope == 0.0 || result.to_scalar::<f32>()? == 0.0 {
            return Ok(None);
        }
        let out = cpu::map(
            &cpu::read(x)?,
            #[inline(always)]
            |x| (slope * self.of(x)).copysign(slope * x),
        );
        Ok(Some(Tensor::from_vec(out, x.shape(), x.device())?))
    }
}
