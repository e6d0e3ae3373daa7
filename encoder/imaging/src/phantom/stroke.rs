//! Tubes along curves: ribs, clavicles, vessels, bronchi.

use super::chord;

/// A point of the film: x from −1 (left) to 1, y from −1 (top) to 1.
pub(super) type Point = (f64, f64);

/// How thick a tube is along a ray that passes its axis at `d` radii.
#[derive(Clone, Copy)]
pub(super) enum Profile {
    /// Filled: a vessel, a bronchus.
    Solid,
    /// Dense at the rim: a bone's cortex around its marrow.
    Cortex,
}

impl Profile {
    fn at(self, squared: f64) -> f64 {
        match self {
            Self::Solid => chord(squared),
            Self::Cortex => chord(squared) - 0.62 * (0.70 - squared).max(0.0).sqrt(),
        }
    }
}

/// A tube along a cubic Bézier curve; radius and density run linearly from its start to its end.
pub(super) struct Stroke {
    pub curve: [Point; 4],
    pub radius: (f64, f64),
    pub density: (f64, f64),
    pub profile: Profile,
}

impl Stroke {
    fn point(&self, t: f64) -> Point {
        let [a, b, c, d] = self.curve;
        let s = 1.0 - t;
        let (wa, wb, wc, wd) = (s * s * s, 3.0 * s * s * t, 3.0 * s * t * t, t * t * t);
        (wa * a.0 + wb * b.0 + wc * c.0 + wd * d.0, wa * a.1 + wb * b.1 + wc * c.1 + wd * d.1)
    }
}

/// A square film of thicknesses.
pub(super) struct Plane {
    size: usize,
    pub values: Vec<f64>,
    /// A stroke's own thicknesses, so that its segments do not add up where they overlap.
    scratch: Vec<f64>,
}

impl Plane {
    pub(super) fn new(size: usize) -> Self {
        Self { size, values: vec![0.0; size * size], scratch: vec![0.0; size * size] }
    }

    /// Adds a tube to those that it crosses, or merges it with them, as the branches of one tree.
    pub(super) fn draw(&mut self, stroke: &Stroke, merge: bool) {
        const SEGMENTS: usize = 24;
        let along = |i: usize| i as f64 / SEGMENTS as f64;
        let mut all: Option<Bounds> = None;
        for i in 0..SEGMENTS {
            let (t0, t1) = (along(i), along(i + 1));
            let bounds = self.segment(stroke, (t0, stroke.point(t0)), (t1, stroke.point(t1)));
            all = Some(all.map_or(bounds, |all| all.union(bounds)));
        }
        let Some(all) = all else { return };
        for row in all.top..all.bottom {
            let range = row * self.size + all.left..row * self.size + all.right;
            if let (Some(values), Some(scratch)) = (self.values.get_mut(range.clone()), self.scratch.get_mut(range)) {
                for (value, new) in values.iter_mut().zip(scratch) {
                    let new = std::mem::take(new);
                    *value = if merge { value.max(new) } else { *value + new };
                }
            }
        }
    }

    fn segment(&mut self, stroke: &Stroke, (t0, a): (f64, Point), (t1, b): (f64, Point)) -> Bounds {
        let blend = |(from, to): (f64, f64), t: f64| from + (to - from) * t;
        let reach = blend(stroke.radius, t0).max(blend(stroke.radius, t1));
        let bounds = Bounds {
            left: self.index(a.0.min(b.0) - reach),
            right: self.index(a.0.max(b.0) + reach) + 1,
            top: self.index(a.1.min(b.1) - reach),
            bottom: self.index(a.1.max(b.1) + reach) + 1,
        }
        .within(self.size);
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let length = (dx * dx + dy * dy).max(1e-12);
        for row in bounds.top..bounds.bottom {
            let y = self.centre(row) - a.1;
            for column in bounds.left..bounds.right {
                let x = self.centre(column) - a.0;
                let along = ((x * dx + y * dy) / length).clamp(0.0, 1.0);
                let (ex, ey) = (x - along * dx, y - along * dy);
                let t = t0 + along * (t1 - t0);
                let radius = blend(stroke.radius, t);
                let squared = (ex * ex + ey * ey) / (radius * radius);
                if squared < 1.0
                    && let Some(cell) = self.scratch.get_mut(row * self.size + column)
                {
                    *cell = cell.max(blend(stroke.density, t) * stroke.profile.at(squared));
                }
            }
        }
        bounds
    }

    /// Pixel that holds a coordinate, clamped to the film.
    fn index(&self, at: f64) -> usize {
        // The cast saturates at 0.
        (((at + 1.0) / 2.0 * self.size as f64) as usize).min(self.size - 1)
    }

    /// Coordinate of a pixel's centre.
    pub(super) fn centre(&self, index: usize) -> f64 {
        (2 * index + 1) as f64 / self.size as f64 - 1.0
    }
}

/// Pixels from left and top up to, not including, right and bottom.
#[derive(Clone, Copy)]
struct Bounds {
    left: usize,
    right: usize,
    top: usize,
    bottom: usize,
}

impl Bounds {
    fn within(self, size: usize) -> Self {
        Self { right: self.right.min(size), bottom: self.bottom.min(size), ..self }
    }

    fn union(self, other: Self) -> Self {
        Self {
            left: self.left.min(other.left),
            right: self.right.max(other.right),
            top: self.top.min(other.top),
            bottom: self.bottom.max(other.bottom),
        }
    }
}
