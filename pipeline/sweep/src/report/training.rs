//! What a sweep's file says of training, in words.

use toml::{Table, Value};

/// Epochs and shifts of the sweep whose file's text is `text`; nothing where it does not say. The text may be of an earlier version,
/// so it is read as a table and not as a sweep.
pub(super) fn settings(text: &str) -> Option<String> {
    let file: Table = toml::from_str(text).ok()?;
    let training = file.get("training")?.as_table()?;
    let epochs = |network: &str| training.get(network)?.as_table()?.get("epochs").and_then(Value::as_integer);
    let mut words = Vec::new();
    if let Some((relu, polynomial)) = epochs("relu").zip(epochs("polynomial")) {
        words.push(format!("{polynomial} epochs for the network that is encrypted and {relu} for the one with ReLU"));
    }
    if let Some(pixels) = training.get("shift_pixels").and_then(Value::as_integer) {
        let factors: Vec<i64> = factors(&file);
        let shift = |factor: &i64| format!("{} at f = {factor}", pixels / factor.max(&1) * factor);
        let uneven = factors.iter().any(|factor| pixels % factor.max(&1) != 0);
        let each: Vec<String> = factors.iter().map(shift).collect();
        words.push(match uneven {
            true => format!("shifts of at most {pixels} pixels in whole cells of the latent, which is {}", each.join(", ")),
            false => format!("shifts of at most {pixels} pixels"),
        });
    }
    (!words.is_empty()).then(|| format!("Training: {}.", words.join("; ")))
}

/// The factors of the encoders.
fn factors(file: &Table) -> Vec<i64> {
    let encoders = file.get("encoder").and_then(Value::as_array).into_iter().flatten();
    let mut factors: Vec<i64> = encoders.filter_map(|encoder| encoder.get("factor")?.as_integer()).collect();
    factors.sort_unstable();
    factors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_and_shifts_are_told_and_uneven_shifts_are_told_apart() {
        let text = |shift: u32| {
            format!(
                "[[encoder]]\nfactor = 16\n[[encoder]]\nfactor = 8\n[training]\nshift_pixels = {shift}\nrelu = {{ epochs = 6 }}\n\
                 polynomial = {{ epochs = 12 }}\n"
            )
        };
        assert_eq!(
            settings(&text(16)).unwrap(),
            "Training: 12 epochs for the network that is encrypted and 6 for the one with ReLU; shifts of at most 16 pixels."
        );
        assert!(
            settings(&text(24)).unwrap().ends_with("24 pixels in whole cells of the latent, which is 24 at f = 8, 16 at f = 16.")
        );
        assert_eq!(settings("name = 3"), None);
        assert_eq!(settings("no toml"), None);
    }
}
