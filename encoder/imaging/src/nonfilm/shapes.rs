//! What the families are made of: shapes over shapes, each with a grey of its own.

use super::Kind;
use veilray_base::Rng;

/// A brightness for each place of the unit square.
pub(super) type Field = Box<dyn Scene>;

/// Something that has a brightness at every place.
pub(super) trait Scene {
    /// The brightness at (`x`, `y`), each in [0, 1]; about 0 to 1.
    fn at(&self, x: f64, y: f64) -> f64;
}

impl<F: Fn(f64, f64) -> f64> Scene for F {
    fn at(&self, x: f64, y: f64) -> f64 {
        self(x, y)
    }
}

fn between(rng: &mut Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * rng.uniform()
}

/// Standard deviation of the grain that lies over an image of a kind.
pub(super) fn grain(kind: Kind, rng: &mut Rng) -> f64 {
    let strength = rng.uniform();
    match kind {
        Kind::Noise => 0.4 * strength,
        _ if rng.uniform() < 0.4 => 0.0,
        _ => 0.06 * strength * strength,
    }
}

/// The description of an image of a kind.
pub(super) fn field(kind: Kind, rng: &mut Rng) -> Field {
    match kind {
        Kind::Ramp => ramp(rng),
        Kind::Noise => {
            let octaves = 1 + rng.below(5);
            let noise = Octaves::new(rng, octaves);
            Box::new(move |x: f64, y: f64| noise.at(x, y))
        }
        Kind::Drawing => layers(rng, Layers { count: (3, 24), soft: 0.004, bones: 0.4, texture: 0.0 }),
        Kind::Text => text(rng),
        Kind::TestPattern => pattern(rng),
        Kind::Pebbles => pebbles(rng),
        Kind::Slice => slice(rng),
        Kind::Limb => limb(rng),
        Kind::Scene => scene(rng),
        Kind::Blank => {
            let (level, depth, power) = (rng.uniform(), between(rng, -0.5, 0.5), between(rng, 1.0, 4.0));
            Box::new(move |x: f64, y: f64| {
                let r = ((x - 0.5).powi(2) + (y - 0.5).powi(2)).sqrt() * 1.4;
                level + depth * r.powf(power)
            })
        }
    }
}

fn ramp(rng: &mut Rng) -> Field {
    let angle = rng.uniform() * std::f64::consts::TAU;
    let (dx, dy) = (angle.cos(), angle.sin());
    let centre = (rng.uniform(), rng.uniform());
    let repeats = if rng.uniform() < 0.5 { 1.0 } else { between(rng, 1.0, 12.0) };
    let steps = if rng.uniform() < 0.3 { 2.0 + rng.below(14) as f64 } else { 0.0 };
    let shape = rng.below(4);
    Box::new(move |x: f64, y: f64| {
        let along = match shape {
            0 | 1 => 0.5 + ((x - 0.5) * dx + (y - 0.5) * dy) / (dx.abs() + dy.abs()),
            2 => ((x - centre.0).powi(2) + (y - centre.1).powi(2)).sqrt(),
            _ => 0.5 + 0.5 * ((x - 0.5) * dx + (y - 0.5) * dy).mul_add(repeats * 6.0, centre.0).sin(),
        };
        let along = if shape < 3 && repeats > 1.0 { (along * repeats).rem_euclid(1.0) } else { along };
        if steps > 0.0 { (along * steps).floor() / (steps - 1.0) } else { along }
    })
}

/// Noise of octaves: random values on grids of doubling fineness, blended smoothly.
struct Octaves {
    grids: Vec<(usize, f64, Vec<f64>)>,
}

impl Octaves {
    fn new(rng: &mut Rng, octaves: usize) -> Self {
        let first = 2usize << rng.below(4);
        let fall = between(rng, 0.3, 1.0);
        let mut weight = 1.0;
        let grids = (0..octaves).map(|octave| {
            let side = (first << octave).min(64);
            weight *= fall;
            (side, weight, (0..(side + 1) * (side + 1)).map(|_| rng.uniform()).collect())
        });
        Self { grids: grids.collect() }
    }

    fn at(&self, x: f64, y: f64) -> f64 {
        let (mut sum, mut weights) = (0.0, 0.0);
        for (side, weight, values) in &self.grids {
            let (u, v) = (x * *side as f64, y * *side as f64);
            let (column, row) = ((u as usize).min(side - 1), (v as usize).min(side - 1));
            let smooth = |t: f64| t * t * (3.0 - 2.0 * t);
            let (s, t) = (smooth(u - column as f64), smooth(v - row as f64));
            let value = |dx: usize, dy: usize| values.get((row + dy) * (side + 1) + column + dx).copied().unwrap_or(0.5);
            let upper = value(0, 0) * (1.0 - s) + value(1, 0) * s;
            let lower = value(0, 1) * (1.0 - s) + value(1, 1) * s;
            sum += weight * (upper * (1.0 - t) + lower * t);
            weights += weight;
        }
        // Averages of many values lie near the middle: spread them.
        ((sum / weights - 0.5) * 1.6 + 0.5).clamp(0.0, 1.0)
    }
}

/// A shape with one grey. Distances are in sides of the image.
struct Shape {
    outline: Outline,
    grey: f64,
    /// Width of its edge.
    soft: f64,
    /// How much of it covers what lies behind, 0 to 1.
    cover: f64,
}

enum Outline {
    Ellipse {
        centre: (f64, f64),
        radii: (f64, f64),
        turn: (f64, f64),
    },
    Box {
        centre: (f64, f64),
        half: (f64, f64),
        turn: (f64, f64),
    },
    /// A thick line.
    Bone {
        from: (f64, f64),
        to: (f64, f64),
        radius: f64,
    },
}

impl Outline {
    /// Distance from the outline, negative inside.
    fn distance(&self, x: f64, y: f64) -> f64 {
        let turned = |centre: (f64, f64), turn: (f64, f64)| {
            let (u, v) = (x - centre.0, y - centre.1);
            (u * turn.0 + v * turn.1, v * turn.0 - u * turn.1)
        };
        match *self {
            Self::Ellipse { centre, radii, turn } => {
                let (u, v) = turned(centre, turn);
                (((u / radii.0).powi(2) + (v / radii.1).powi(2)).sqrt() - 1.0) * radii.0.min(radii.1)
            }
            Self::Box { centre, half, turn } => {
                let (u, v) = turned(centre, turn);
                (u.abs() - half.0).max(v.abs() - half.1)
            }
            Self::Bone { from, to, radius } => {
                let (dx, dy) = (to.0 - from.0, to.1 - from.1);
                let along = (((x - from.0) * dx + (y - from.1) * dy) / (dx * dx + dy * dy).max(1e-9)).clamp(0.0, 1.0);
                ((x - from.0 - along * dx).powi(2) + (y - from.1 - along * dy).powi(2)).sqrt() - radius
            }
        }
    }
}

/// Shapes over a background, the last on top.
struct Stack {
    background: f64,
    shapes: Vec<Shape>,
    texture: Option<(f64, Octaves)>,
}

impl Scene for Stack {
    fn at(&self, x: f64, y: f64) -> f64 {
        let mut level = self.background;
        for shape in &self.shapes {
            let inside = (0.5 - shape.outline.distance(x, y) / shape.soft).clamp(0.0, 1.0) * shape.cover;
            level += (shape.grey - level) * inside;
        }
        self.texture.as_ref().map_or(level, |(strength, noise)| level + strength * (noise.at(x, y) - 0.5))
    }
}

struct Layers {
    count: (usize, usize),
    soft: f64,
    /// Part of the shapes that are lines.
    bones: f64,
    texture: f64,
}

fn turn(rng: &mut Rng) -> (f64, f64) {
    let angle = rng.uniform() * std::f64::consts::TAU;
    (angle.cos(), angle.sin())
}

fn place(rng: &mut Rng) -> (f64, f64) {
    (rng.uniform(), rng.uniform())
}

fn layers(rng: &mut Rng, like: Layers) -> Field {
    let count = like.count.0 + rng.below(like.count.1 - like.count.0);
    let mut stack = Stack { background: rng.uniform(), shapes: Vec::new(), texture: None };
    for _ in 0..count {
        let outline = if rng.uniform() < like.bones {
            Outline::Bone { from: place(rng), to: place(rng), radius: between(rng, 0.003, 0.02) }
        } else if rng.uniform() < 0.5 {
            let radii = (between(rng, 0.02, 0.35), between(rng, 0.02, 0.35));
            Outline::Ellipse { centre: place(rng), radii, turn: turn(rng) }
        } else {
            let half = (between(rng, 0.02, 0.35), between(rng, 0.02, 0.35));
            let turn = if rng.uniform() < 0.6 { (1.0, 0.0) } else { turn(rng) };
            Outline::Box { centre: place(rng), half, turn }
        };
        stack.shapes.push(Shape { outline, grey: rng.uniform(), soft: like.soft, cover: 1.0 });
    }
    if like.texture > 0.0 {
        stack.texture = Some((like.texture, Octaves::new(rng, 4)));
    }
    Box::new(stack)
}

/// Lines of words, each a row of strokes.
fn text(rng: &mut Rng) -> Field {
    let (paper, ink) = if rng.uniform() < 0.7 { (0.95, 0.05) } else { (rng.uniform(), rng.uniform()) };
    let lines = 4 + rng.below(30);
    let columns = 10 + rng.below(60);
    let margin = between(rng, 0.02, 0.2);
    let height = between(rng, 0.35, 0.7);
    let marks: Vec<f64> = (0..lines * columns).map(|_| if rng.uniform() < 0.18 { 0.0 } else { between(rng, 0.3, 1.0) }).collect();
    let ends: Vec<f64> = (0..lines).map(|_| if rng.uniform() < 0.2 { rng.uniform() } else { between(rng, 0.85, 1.0) }).collect();
    Box::new(move |x: f64, y: f64| {
        let (u, v) = ((x - margin) / (1.0 - 2.0 * margin), (y - margin) / (1.0 - 2.0 * margin));
        if !(0.0..1.0).contains(&u) || !(0.0..1.0).contains(&v) {
            return paper;
        }
        let (row, column) = ((v * lines as f64) as usize, (u * columns as f64) as usize);
        let (down, across) = ((v * lines as f64).fract(), (u * columns as f64).fract());
        let mark = marks.get(row * columns + column).copied().unwrap_or(0.0);
        let inside = u < ends.get(row).copied().unwrap_or(1.0) && down < height && across < 0.8;
        if inside { paper + (ink - paper) * mark } else { paper }
    })
}

fn pattern(rng: &mut Rng) -> Field {
    let (across, down) = (2.0 + rng.below(30) as f64, 2.0 + rng.below(30) as f64);
    let (low, high) = (rng.uniform(), rng.uniform());
    let shape = rng.below(4);
    let steps = 3.0 + rng.below(14) as f64;
    Box::new(move |x: f64, y: f64| {
        let odd = |value: f64| (value.floor() as i64).rem_euclid(2) == 1;
        let choose = |is: bool| if is { high } else { low };
        match shape {
            0 => choose(odd(x * across) != odd(y * down)),
            1 => choose(odd(x * across)),
            2 => choose((x * across).fract() < 0.12 || (y * across).fract() < 0.12),
            _ if y < 0.6 => (x * steps).floor() / (steps - 1.0),
            _ => choose(odd(x * across * (1.0 + 3.0 * y))),
        }
    })
}

fn pebbles(rng: &mut Rng) -> Field {
    let count = 60 + rng.below(140);
    let smallest = between(rng, 0.02, 0.06);
    let mut shapes = Vec::with_capacity(count);
    for _ in 0..count {
        let radius = smallest / (1.0 - rng.uniform() * 0.97).sqrt();
        let radii = (radius, radius * between(rng, 0.6, 1.0));
        let outline = Outline::Ellipse { centre: place(rng), radii, turn: turn(rng) };
        shapes.push(Shape { outline, grey: rng.uniform(), soft: between(rng, 0.005, 0.03), cover: 1.0 });
    }
    Box::new(Stack { background: 0.5, shapes, texture: Some((between(rng, 0.0, 0.3), Octaves::new(rng, 5))) })
}

/// A body in cross-section, as computed tomography shows it.
fn slice(rng: &mut Rng) -> Field {
    let centre = (between(rng, 0.42, 0.58), between(rng, 0.42, 0.58));
    let radii = (between(rng, 0.28, 0.48), between(rng, 0.2, 0.4));
    let ellipse = |centre, radii, turn| Outline::Ellipse { centre, radii, turn };
    let soft = between(rng, 0.005, 0.02);
    let (skin, tissue) = (between(rng, 0.3, 0.9), between(rng, 0.25, 0.65));
    let rim = between(rng, 0.01, 0.06);
    let straight = (1.0, 0.0);
    let mut shapes = vec![
        Shape { outline: ellipse(centre, radii, straight), grey: skin, soft, cover: 1.0 },
        Shape { outline: ellipse(centre, (radii.0 - rim, radii.1 - rim), straight), grey: tissue, soft, cover: 1.0 },
    ];
    for _ in 0..(4 + rng.below(16)) {
        let (angle, r) = (rng.uniform() * std::f64::consts::TAU, rng.uniform().sqrt() * 0.75);
        let at = (centre.0 + r * radii.0 * angle.cos(), centre.1 + r * radii.1 * angle.sin());
        let size = (between(rng, 0.02, 0.14), between(rng, 0.02, 0.12));
        shapes.push(Shape {
            outline: ellipse(at, size, turn(rng)),
            grey: between(rng, 0.05, 0.95),
            soft: soft * 2.0,
            cover: 0.9,
        });
    }
    // The spine, and sometimes the table below.
    let spine = (centre.0, centre.1 + radii.1 * between(rng, 0.4, 0.7));
    shapes.push(Shape { outline: ellipse(spine, (0.05, 0.045), straight), grey: between(rng, 0.8, 1.0), soft, cover: 1.0 });
    if rng.uniform() < 0.5 {
        let y = centre.1 + radii.1 + 0.03;
        let outline = Outline::Bone { from: (0.15, y), to: (0.85, y), radius: 0.006 };
        shapes.push(Shape { outline, grey: between(rng, 0.2, 0.7), soft, cover: 1.0 });
    }
    let background = if rng.uniform() < 0.9 { 0.0 } else { rng.uniform() };
    Box::new(Stack { background, shapes, texture: Some((between(rng, 0.0, 0.15), Octaves::new(rng, 5))) })
}

/// Bones in their soft tissue, side by side or fanned out as in a hand.
fn limb(rng: &mut Rng) -> Field {
    let count = 1 + rng.below(6);
    let root = (between(rng, 0.3, 0.7), between(rng, 0.7, 1.1));
    let direction = between(rng, -0.5, 0.5);
    let spread = between(rng, 0.05, 0.35);
    let (tissue, bone) = (between(rng, 0.2, 0.5), between(rng, 0.7, 1.0));
    let quarter = rng.below(4);
    let (mut soft_parts, mut bones) = (Vec::new(), Vec::new());
    for index in 0..count {
        let angle = direction + spread * (index as f64 - (count - 1) as f64 / 2.0);
        let length = between(rng, 0.6, 1.3);
        let end = (root.0 + angle.sin() * length, root.1 - angle.cos() * length);
        let radius = between(rng, 0.015, 0.08);
        let edge = between(rng, 0.01, 0.04);
        let line = |radius| Outline::Bone { from: root, to: end, radius };
        soft_parts.push(Shape { outline: line(radius * between(rng, 1.6, 3.0)), grey: tissue, soft: edge * 2.0, cover: 0.9 });
        bones.push(Shape { outline: line(radius), grey: bone, soft: edge, cover: 0.9 });
        for _ in 0..rng.below(4) {
            let along = rng.uniform();
            let at = (root.0 + (end.0 - root.0) * along, root.1 + (end.1 - root.1) * along);
            let outline = Outline::Ellipse { centre: at, radii: (radius * 1.3, radius * 0.3), turn: turn(rng) };
            bones.push(Shape { outline, grey: between(rng, 0.2, 0.8), soft: edge, cover: 0.7 });
        }
    }
    soft_parts.append(&mut bones);
    let background = between(rng, 0.0, 0.15);
    let stack = Stack { background, shapes: soft_parts, texture: Some((between(rng, 0.0, 0.12), Octaves::new(rng, 4))) };
    Box::new(move |x: f64, y: f64| {
        let (u, v) = match quarter {
            0 => (x, y),
            1 => (y, 1.0 - x),
            2 => (1.0 - x, 1.0 - y),
            _ => (1.0 - y, x),
        };
        stack.at(u, v)
    })
}

fn scene(rng: &mut Rng) -> Field {
    let horizon = between(rng, 0.2, 0.8);
    let (top, fade) = (between(rng, 0.4, 1.0), between(rng, -0.4, 0.4));
    let ground = between(rng, 0.1, 0.7);
    let strength = between(rng, 0.05, 0.4);
    let noise = Octaves::new(rng, 5);
    let things = layers(rng, Layers { count: (1, 12), soft: 0.01, bones: 0.2, texture: 0.0 });
    let shown = between(rng, 0.2, 0.9);
    Box::new(move |x: f64, y: f64| {
        let back = if y < horizon { top + fade * y } else { ground + strength * (noise.at(x, y) - 0.5) };
        let thing = things.at(x, y);
        // Things stand where the noise is high: not everywhere.
        if noise.at(y, x) > shown { thing } else { back }
    })
}
