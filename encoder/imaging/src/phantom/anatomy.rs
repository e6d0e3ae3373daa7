//! What lies in the beam: a seeded chest, and the thickness of each tissue along every ray.
//!
//! Coordinates run from −1 to 1 over the film, y downwards; thicknesses are in units of the chest's depth (about 22 cm).

use super::noise::{Stream, clouds, smooth};
use super::skeleton;
use super::stroke::{Plane, Profile, Stroke};
use super::{Phantom, Side, chord, step};

/// Absorption of each tissue, per unit of thickness.
const SOFT: f64 = 4.3;
const BONE: f64 = 1.0;

/// A chest, as its seed has it.
pub(super) struct Anatomy {
    texture: u64,
    /// Lateral border of the lungs at their widest.
    lung_width: f64,
    apex: f64,
    /// Height of each dome of the diaphragm: right (left on the film), left.
    domes: [f64; 2],
    /// Depth of the body against the usual one.
    build: f64,
    heart: Ball,
    atrium: Ball,
    knob: Ball,
    trunk: Ball,
    opacity: Option<(Ball, f64)>,
    /// Side and height of the fluid's level at the chest wall.
    effusion: Option<(f64, f64)>,
    bones: Vec<Stroke>,
    vessels: Vec<Stroke>,
    airways: Vec<Stroke>,
}

/// An ellipsoid, seen as an ellipse.
#[derive(Clone, Copy)]
struct Ball {
    x: f64,
    y: f64,
    a: f64,
    b: f64,
    /// How far it leans: x moves by `lean` × y.
    lean: f64,
    depth: f64,
}

impl Ball {
    fn chord(&self, x: f64, y: f64) -> f64 {
        self.depth * chord(self.squared(x, y))
    }

    fn squared(&self, x: f64, y: f64) -> f64 {
        let v = (y - self.y) / self.b;
        let u = (x - self.x - self.lean * (y - self.y)) / self.a;
        u * u + v * v
    }
}

fn sign(side: Side) -> f64 {
    match side {
        Side::Right => -1.0,
        Side::Left => 1.0,
    }
}

/// Half width of the chest's inside at a height.
pub(super) fn lateral(lung_width: f64, apex: f64, y: f64) -> f64 {
    let v = ((0.38 - y) / (0.38 - apex)).max(0.0);
    // Rounder than an ellipse at the tip.
    lung_width * chord(v * v * v * (0.35 + 0.65 * v)) - 0.05 * (y - 0.38).max(0.0)
}

impl Anatomy {
    pub(super) fn draw(phantom: &Phantom, stream: &mut Stream) -> Self {
        let texture = stream.next();
        let lung_width = stream.between(0.70, 0.77);
        let apex = stream.between(-0.80, -0.72);
        let dome = stream.between(0.36, 0.46);
        let domes = [dome, dome + stream.between(0.02, 0.07)];
        let big = 1.0 + 0.42 * phantom.cardiomegaly;
        let heart_size = stream.between(0.95, 1.06);
        let heart = Ball {
            x: 0.10 + 0.06 * phantom.cardiomegaly,
            y: 0.27 + stream.between(-0.02, 0.02) - 0.03 * phantom.cardiomegaly,
            a: 0.27 * heart_size * big,
            b: 0.27 * heart_size * (1.0 + 0.25 * phantom.cardiomegaly),
            lean: 0.42,
            depth: 0.60,
        };
        let atrium = Ball { x: -0.03, y: 0.26, a: 0.165 * heart_size * big, b: 0.22, lean: 0.0, depth: 0.50 };
        let knob = Ball { x: 0.085, y: stream.between(-0.40, -0.36), a: 0.10, b: 0.10, lean: 0.0, depth: 0.45 };
        let trunk = Ball { x: 0.09, y: -0.14, a: 0.115, b: 0.17, lean: 0.25, depth: 0.42 };
        // Its own stream: a finding changes nothing else of the chest.
        let mut own = Stream::new(texture ^ 5);
        let opacity = phantom.opacity.map(|finding| {
            let side = sign(finding.side);
            let ball = Ball {
                x: side * own.between(0.40, 0.50),
                y: own.between(-0.15, 0.15),
                a: own.between(0.19, 0.26),
                b: own.between(0.17, 0.26),
                lean: 0.0,
                depth: 1.0,
            };
            (ball, finding.amount)
        });
        let effusion = phantom.effusion.map(|finding| (sign(finding.side), 0.66 - 0.62 * finding.amount));
        let bones = skeleton::bones(lung_width, apex, stream);
        let vessels = skeleton::vessels(stream);
        let airways = skeleton::airways();
        let build = stream.between(0.93, 1.08);
        Self { texture, lung_width, apex, domes, build, heart, atrium, knob, trunk, opacity, effusion, bones, vessels, airways }
    }

    /// Depth of air along a ray: within the lung's borders, above its dome, around heart and great vessels.
    fn air(&self, x: f64, y: f64) -> f64 {
        let across = x.abs();
        let dome = if x < 0.0 { self.domes[0] } else { self.domes[1] };
        let lateral = lateral(self.lung_width, self.apex, y);
        // The mediastinum widens towards the top, where the lungs taper to their tips.
        let wavy = 0.016 * smooth(self.texture ^ 4, 2.0 + x.signum(), 3.5 * y);
        let medial = 0.098 + wavy + 0.09 * step(-0.40, self.apex, y);
        let width = lateral - medial;
        if width <= 0.0 {
            return 0.0;
        }
        let q = ((across - medial) / width).clamp(0.0, 1.0);
        let edge = (4.0 * q * (1.0 - q)).sqrt().sqrt();
        let narrow = (width / 0.40).min(1.0).sqrt();
        let from_top = across - 0.31;
        let floor = dome + from_top * from_top * if from_top > 0.0 { 1.50 } else { 0.85 };
        let front = 1.0 - step(floor - 0.012, floor + 0.012, y);
        // Behind the dome the lung reaches deeper.
        let recess = 0.16 * (1.0 - step(floor + 0.02, floor + 0.24, y)) * step(0.10, 0.25, across);
        // The chest is shallow at the top, and the tip round towards the middle too.
        let inner = (0.26 - across).max(0.0);
        let tip = step(-0.01, 0.02, y - self.apex - 0.03 - 5.0 * inner * inner);
        let shallow = 0.42 + 0.58 * step(self.apex, self.apex + 0.50, y);
        let mut air = 0.80 * edge * narrow * shallow * tip * front.max(recess);
        let organs = self.heart.chord(x, y).max(self.atrium.chord(x, y)).max(self.knob.chord(x, y)).max(self.trunk.chord(x, y));
        air = (air - 1.25 * organs * air / 0.80).max(0.0);
        if let Some((ball, amount)) = self.opacity {
            let shift = |salt: u64| 0.16 * clouds(self.texture ^ salt, 4.0 * x, 4.0 * y);
            let inside = 1.0 - ball.squared(x + shift(6), y + shift(7));
            let patchy = inside + 0.55 * clouds(self.texture ^ 1, 10.0 * x, 10.0 * y);
            air *= 1.0 - amount * step(-0.45, 1.15, patchy) * 0.85;
        }
        if let Some((side, level)) = self.effusion.filter(|(side, _)| side * x > 0.0) {
            // The meniscus climbs at the chest wall, and a little at the mediastinum.
            let out = (side * x / self.lung_width).clamp(0.0, 1.2);
            let surface = level + 0.20 * (1.0 - out * out) - 0.05 * step(0.35, 0.10, side * x);
            air *= 1.0 - 0.94 * step(surface - 0.05, surface + 0.03, y);
        }
        air
    }

    /// Depth of the body along a ray, air and all.
    fn body(&self, x: f64, y: f64) -> f64 {
        let across = x.abs();
        let out = |x: f64, half: f64| chord((x / half) * (x / half));
        let wall = self.lung_width + 0.13 + 0.03 * step(0.2, 1.0, y);
        // From the neck the shoulders fall away; below them stands the trunk, beside it the arm.
        let shoulder = -0.97 + 0.24 * (across - 0.15).max(0.0) * (0.6 + 0.6 * across);
        let below = step(shoulder - 0.02, shoulder + 0.16, y);
        let trunk = out(across, wall).sqrt() * step(-1.15, -0.30, y).max(0.60) * below;
        let girdle =
            0.55 * chord(((across - 0.85) / 0.60) * ((across - 0.85) / 0.60) + ((y + 0.52) / 0.50) * ((y + 0.52) / 0.50)) * below;
        let neck = 0.52 * out(across, 0.30) * (1.0 - step(-0.95, -0.60, y));
        let arm = 0.42
            * chord(((across - 1.04 - 0.10 * (y + 0.3)) / 0.17) * ((across - 1.04 - 0.10 * (y + 0.3)) / 0.17))
            * step(-0.5, -0.3, y);
        trunk.max(girdle).max(neck).max(arm)
    }

    /// Soft tissue along a ray.
    fn soft(&self, x: f64, y: f64) -> f64 {
        let body = self.build * self.body(x, y);
        let texture = 1.0 + 0.035 * clouds(self.texture, 7.0 * x, 7.0 * y);
        // Lung tissue itself, more of it towards the base and the hila.
        let air = self.air(x, y);
        let lung = air * (0.10 + 0.05 * clouds(self.texture ^ 2, 14.0 * x, 14.0 * y));
        let pectoral =
            0.05 * self.build * step(0.55, 0.25, (x.abs() - 0.45).abs()) * (1.0 - step(-0.05, 0.35, y)) * step(-0.75, -0.45, y);
        // The stomach's bubble under the left dome.
        let (bx, by) = ((x - 0.36) / 0.15, (y - self.domes[1] - 0.13) / 0.055);
        let bubble = 0.20 * step(0.0, 0.7, 1.0 - bx * bx - by * by);
        ((body - air) * texture + lung + pectoral - bubble).max(0.0)
    }
}

/// Thicknesses on a film.
pub(super) struct Tissues {
    soft: Vec<f64>,
    bone: Vec<f64>,
}

impl Tissues {
    pub(super) fn of(anatomy: &Anatomy, size: usize) -> Self {
        let draw = |strokes: &[Stroke], merge| {
            let mut plane = Plane::new(size);
            strokes.iter().for_each(|stroke| plane.draw(stroke, merge));
            plane
        };
        let mut bone = draw(&anatomy.bones, false);
        let (vessels, airways) = (draw(&anatomy.vessels, true), draw(&anatomy.airways, true));
        let mut soft = Vec::with_capacity(size * size);
        let mut i = 0;
        for row in 0..size {
            let y = vessels.centre(row);
            for column in 0..size {
                let x = vessels.centre(column);
                let at = |plane: &Plane| plane.values.get(i).copied().unwrap_or(0.0);
                // Vessels show where there is air around them.
                let visible = (anatomy.air(x, y) / 0.5).min(1.0);
                soft.push((anatomy.soft(x, y) + at(&vessels) * visible - at(&airways)).max(0.0));
                if let Some(bone) = bone.values.get_mut(i) {
                    *bone += skeleton::spine(x, y) * (1.0 + 0.10 * smooth(anatomy.texture ^ 3, 40.0 * x, 40.0 * y));
                }
                i += 1;
            }
        }
        Self { soft, bone: bone.values }
    }

    /// What each ray loses, row by row.
    pub(super) fn absorption(&self) -> impl Iterator<Item = f64> {
        self.soft.iter().zip(&self.bone).map(|(soft, bone)| SOFT * soft + BONE * bone)
    }
}

/// A filled tube, for the vessels and airways of [`skeleton`].
pub(super) fn tube(curve: [(f64, f64); 4], radius: (f64, f64), density: (f64, f64)) -> Stroke {
    Stroke { curve, radius, density, profile: Profile::Solid }
}
