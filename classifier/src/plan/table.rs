//! The plan as a table for people.

use super::Plan;
use std::fmt;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mb = |bytes: usize| bytes as f64 / 1e6;
        writeln!(
            f,
            "{} under {}: N = {}, {} slots, {} of {} levels, scale 2^{:.1}, log2(QP) = {:.1}, {} bits of security",
            self.network,
            self.params,
            self.n,
            self.slots,
            self.depth,
            self.levels,
            self.log_scale,
            self.log_qp,
            self.security_bits
        )?;
        writeln!(f, "{:>9} {:>6} {:>6} {:>4} {:>6} {:>7}  layer", "ms", "level", "scale", "ct", "diag", "rotate")?;
        for l in &self.layers {
            writeln!(
                f,
                "{:9.2} {:6} {:6.1} {:4} {:6} {:7}  {} ({})",
                l.ms, l.level, l.log_scale, l.ciphertexts, l.diagonals, l.rotations, l.name, l.op
            )?;
        }
        let (b, m) = (&self.bytes, &self.memory);
        writeln!(f, "time       {:.1} ms on {} threads, {} rotations", self.predicted_ms, self.threads, self.rotations)?;
        writeln!(f, "keys       {}, {:.2} MB to send once", self.keys, mb(b.evaluation_keys))?;
        writeln!(f, "upload     {:.3} MB, reply {:.3} MB", mb(b.upload), mb(b.reply))?;
        write!(
            f,
            "memory     {:.0} MB: diagonals {:.0}, keys {:.0}, working {:.0}, model {:.0}, process {:.0}; {:.0} MB if no diagonals are kept",
            mb(m.peak),
            mb(m.diagonals),
            mb(m.keys),
            mb(m.working),
            mb(m.model),
            mb(m.process),
            mb(m.streamed_peak)
        )?;
        if let Some(p) = &self.precision {
            let (max, rms, room) = (p.log2_max, p.log2_rms, p.headroom_bits);
            write!(f, "\nprecision  largest error of the logits 2^{max:.1}, rms 2^{rms:.1}; {room:.1} bits of headroom")?;
        }
        Ok(())
    }
}
