//! Updates of tensors in place, value by value: what optimisers and moving averages are made of.

use crate::error::Result;
use crate::ops::cpu;
use candle_core::{CpuStorage, InplaceOp3, Layout, Tensor, Var};
use rayon::prelude::*;

/// `target` = f(target, a, b) for every value, in parallel on a CPU; elsewhere `composed` computes the same as a tensor.
///
/// `a` and `b` must not share memory with `target`.
pub(crate) fn update2(
    target: &Var,
    a: &Tensor,
    b: &Tensor,
    f: impl Fn(f32, f32, f32) -> f32 + Copy + Sync,
    composed: impl FnOnce(&Tensor, &Tensor, &Tensor) -> candle_core::Result<Tensor>,
) -> Result<()> {
    let old = target.as_detached_tensor();
    if cpu::is_ours(&old) {
        return Ok(old.inplace_op3(&a.detach().contiguous()?, &b.detach().contiguous()?, &Update(f))?);
    }
    Ok(target.set(&composed(&old, &a.detach(), &b.detach())?)?)
}

/// [`update2`] with one argument.
pub(crate) fn update1(
    target: &Var,
    a: &Tensor,
    f: impl Fn(f32, f32) -> f32 + Copy + Sync,
    composed: impl FnOnce(&Tensor, &Tensor) -> candle_core::Result<Tensor>,
) -> Result<()> {
    let two = move |x: f32, a: f32, _: f32| f(x, a);
    update2(target, a, a, two, |x, a, _| composed(x, a))
}

struct Update<F>(F);

impl<F: Fn(f32, f32, f32) -> f32 + Copy + Sync> InplaceOp3 for Update<F> {
    fn name(&self) -> &'static str {
        "veilray-update"
    }

    fn cpu_fwd(
        &self,
        target: &mut CpuStorage,
        layout: &Layout,
        a: &CpuStorage,
        al: &Layout,
        b: &CpuStorage,
        bl: &Layout,
    ) -> candle_core::Result<()> {
        let (a, b) = (cpu::floats(a, al)?, cpu::floats(b, bl)?);
        let range = layout.contiguous_offsets().map(|(start, end)| start..end);
        let CpuStorage::F32(all) = target else { candle_core::bail!("updates in place take f32") };
        let Some(target) = range.and_then(|range| all.get_mut(range)) else {
            candle_core::bail!("updates in place take contiguous tensors")
        };
        if target.len() != a.len() || target.len() != b.len() {
            candle_core::bail!("an update of {} values was given {} and {}", target.len(), a.len(), b.len());
        }
        let f = self.0;
        target.par_chunks_mut(cpu::CHUNK).zip(a.par_chunks(cpu::CHUNK)).zip(b.par_chunks(cpu::CHUNK)).for_each(|((x, a), b)| {
            cpu::vectorised(
                #[inline(always)]
                || {
                    for ((x, a), b) in x.iter_mut().zip(a).zip(b) {
                        *x = f(*x, *a, *b);
                    }
                },
            );
        });
        Ok(())
    }
}
