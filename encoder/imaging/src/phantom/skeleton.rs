//! Bones, vessels and airways as tubes, and the spine.

use super::anatomy::{lateral, tube};
use super::noise::Stream;
use super::stroke::{Profile, Stroke};
use super::{chord, step};

/// Ribs, clavicles, shoulder blades and the heads of the arms.
pub(super) fn bones(lung_width: f64, apex: f64, stream: &mut Stream) -> Vec<Stroke> {
    let mut bones = Vec::new();
    let spacing = stream.between(0.128, 0.138);
    for side in [-1.0, 1.0] {
        for rib in 0..10 {
            let n = f64::from(rib);
            let wobble = stream.between(-0.006, 0.006);
            // Where the rib leaves the spine, how far out it turns, and how far down it has come there.
            let start = apex - 0.03 + spacing * n + wobble;
            let fall = 0.10 + 0.030 * n;
            let out = lateral(lung_width, apex, start + fall) + 0.02;
            let at = |x: f64, y: f64| (side * x, y);
            let turn = start + fall;
            let (thick, dense) = (0.0235 + 0.0007 * n, 0.62);
            let back =
                [at(0.07, start), at(0.07 + 0.42 * (out - 0.07), start - 0.055), at(out * 0.93, start - 0.01), at(out, turn)];
            bones.push(bone(back, (thick, thick * 0.85), (dense * 0.85, dense)));
            // The front half returns lower and steeper, and fades into cartilage.
            let end = turn + 0.16 + 0.020 * n;
            let to = 0.30 - 0.008 * n + 0.02 * (n - 4.0).max(0.0);
            let front =
                [at(out, turn), at(out * 0.99, turn + 0.11), at(to + 0.55 * (out - to), end - 0.035), at(to.min(out * 0.8), end)];
            if rib > 0 && rib < 8 {
                bones.push(bone(front, (thick * 0.85, thick * 1.15), (dense * 0.62, dense * 0.34)));
            }
        }
        let lift = stream.between(-0.015, 0.02);
        let clavicle = [
            (side * 0.075, apex + 0.135 + lift),
            (side * 0.30, apex + 0.20 + lift),
            (side * 0.45, apex + 0.06 + lift),
            (side * 0.76, apex + 0.06 + lift),
        ];
        bones.push(bone(clavicle, (0.036, 0.026), (0.85, 0.75)));
        // Shoulder blade: its inner border, its spine, the socket and the head of the arm.
        let border = [(side * 0.70, -0.62), (side * 0.66, -0.40), (side * 0.68, -0.15), (side * 0.76, 0.06)];
        bones.push(bone(border, (0.03, 0.02), (0.30, 0.22)));
        let blade = [(side * 0.74, -0.58), (side * 0.76, -0.38), (side * 0.77, -0.20), (side * 0.79, -0.02)];
        bones.push(tube(blade, (0.11, 0.03), (0.16, 0.10)));
        let acromion = [(side * 0.68, -0.56), (side * 0.78, -0.66), (side * 0.86, -0.70), (side * 0.97, -0.68)];
        bones.push(bone(acromion, (0.03, 0.045), (0.45, 0.6)));
        let head = [(side * 0.955, -0.585), (side * 0.958, -0.57), (side * 0.962, -0.55), (side * 0.966, -0.53)];
        bones.push(tube(head, (0.105, 0.10), (0.8, 0.8)));
        let shaft = [(side * 0.975, -0.52), (side * 1.00, -0.35), (side * 1.03, -0.15), (side * 1.05, 0.05)];
        bones.push(bone(shaft, (0.065, 0.05), (0.9, 0.9)));
    }
    bones
}

fn bone(curve: [(f64, f64); 4], radius: (f64, f64), density: (f64, f64)) -> Stroke {
    Stroke { curve, radius, density, profile: Profile::Cortex }
}

/// Thickness of the spine along a ray: bodies and discs, pedicles, spinous processes.
pub(super) fn spine(x: f64, y: f64) -> f64 {
    const HEIGHT: f64 = 0.118;
    let half = 0.072 + 0.016 * step(-0.8, 0.9, y);
    let phase = (y + 1.0) / HEIGHT;
    let within = phase - phase.floor();
    let body = step(0.02, 0.10, within) * (1.0 - step(0.86, 0.94, within));
    let waist = half * (0.90 + 0.10 * (2.0 * within - 0.96) * (2.0 * within - 0.96));
    let column = step(waist + 0.008, waist - 0.008, x.abs()) * (0.22 + 0.20 * body);
    let rim = step(0.018, 0.0, (x.abs() - waist + 0.01).abs()) * 0.14 * body;
    let (px, py) = ((x.abs() - 0.6 * half) / 0.020, (within - 0.42) / 0.20);
    let pedicle = 0.22 * chord(px * px + py * py);
    let (sx, sy) = (x / 0.013, (within - 0.75) / 0.26);
    column + rim + pedicle + 0.24 * chord(sx * sx + sy * sy)
}

/// Trachea and main bronchi.
pub(super) fn airways() -> Vec<Stroke> {
    vec![
        tube([(0.0, -1.1), (0.005, -0.8), (-0.01, -0.55), (-0.012, -0.30)], (0.046, 0.042), (0.22, 0.22)),
        tube([(-0.02, -0.31), (-0.05, -0.25), (-0.09, -0.19), (-0.13, -0.13)], (0.032, 0.024), (0.16, 0.08)),
        tube([(0.0, -0.31), (0.05, -0.26), (0.10, -0.22), (0.16, -0.18)], (0.030, 0.020), (0.16, 0.07)),
    ]
}

/// The vessels of both lungs: trees that leave the hila, fork and taper.
pub(super) fn vessels(stream: &mut Stream) -> Vec<Stroke> {
    let mut vessels = Vec::new();
    for side in [-1.0, 1.0] {
        let hilum = (side * 0.15, if side < 0.0 { -0.07 } else { -0.12 });
        // Directions as (out, down); vessels to the base are the widest.
        let trunks = [
            (0.35, -0.90, 0.70),
            (0.75, -0.65, 0.65),
            (0.95, -0.25, 0.70),
            (1.00, 0.10, 0.80),
            (0.90, 0.45, 0.95),
            (0.65, 0.75, 1.00),
            (0.35, 0.95, 1.00),
            (0.15, 1.0, 0.85),
        ];
        for (out, down, wide) in trunks {
            let direction = (side * out * stream.between(0.9, 1.1), down * stream.between(0.9, 1.1));
            branch(&mut vessels, stream, hilum, direction, 0.022 * wide, 0.22, 4);
        }
        // The hilum itself.
        let (x, y) = hilum;
        vessels.push(tube(
            [(x - side * 0.05, y - 0.05), (x, y - 0.02), (x + side * 0.02, y + 0.06), (x + side * 0.02, y + 0.17)],
            (0.045, 0.028),
            (0.13, 0.08),
        ));
    }
    vessels
}

fn branch(
    into: &mut Vec<Stroke>,
    stream: &mut Stream,
    from: (f64, f64),
    towards: (f64, f64),
    radius: f64,
    length: f64,
    left: u32,
) {
    let size = (towards.0 * towards.0 + towards.1 * towards.1).sqrt().max(1e-9);
    let (dx, dy) = (towards.0 / size, towards.1 / size);
    let bend = stream.between(-0.25, 0.25);
    let at = |t: f64, off: f64| (from.0 + length * (t * dx - off * dy), from.1 + length * (t * dy + off * dx));
    let end = at(1.0, 0.0);
    let thin = radius * 0.68;
    let density = |radius: f64| 5.0 * radius;
    into.push(tube([from, at(0.33, bend), at(0.66, bend * 0.7), end], (radius, thin), (density(radius), density(thin))));
    if left == 0 {
        return;
    }
    for spread in [stream.between(0.25, 0.60), -stream.between(0.25, 0.60)] {
        let turned = (dx - spread * dy, dy + spread * dx);
        let (thinner, shorter) = (thin * stream.between(0.78, 0.95), length * stream.between(0.68, 0.86));
        branch(into, stream, end, turned, thinner, shorter, left - 1);
    }
}
