//! Samples as a picture: one small diagram for each series, over the same time.

use std::{error::Error, path::Path};

use plotters::prelude::*;

use super::{Point, Samples};

/// How large each diagram is, in pixels.
const SIZE: (u32, u32) = (520, 220);
/// Diagrams beside each other.
const COLUMNS: usize = 2;

/// Draws all series into an SVG file.
///
/// # Errors
/// When the file cannot be written.
pub fn draw(samples: &Samples, title: &str, file: &Path) -> Result<(), Box<dyn Error>> {
    let all: Vec<_> = samples.series().collect();
    let rows = all.len().div_ceil(COLUMNS);
    let width = SIZE.0 * u32::try_from(COLUMNS)?;
    let height = SIZE.1 * u32::try_from(rows)? + 40;
    let area = SVGBackend::new(file, (width, height)).into_drawing_area();
    area.fill(&WHITE)?;
    let area = area.titled(title, ("sans-serif", 18))?;
    for ((series, points), part) in all.iter().zip(area.split_evenly((rows, COLUMNS))) {
        let last = points.last().map_or(1.0, |(at, _)| at.as_secs_f64() / 60.0);
        // From zero, so that a line that looks flat is flat.
        let top = points.iter().map(|(_, value)| *value).fold(1.0, f64::max) * 1.1;
        let mut chart = ChartBuilder::on(&part)
            .caption(series.name(), ("sans-serif", 14))
            .margin(8)
            .x_label_area_size(24)
            .y_label_area_size(52)
            .build_cartesian_2d(0.0..last, 0.0..top)?;
        chart
            .configure_mesh()
            .x_desc("minutes")
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.1))
            .x_labels(7)
            .y_labels(5)
            .draw()?;
        let line = points
            .iter()
            .map(|(at, value): &Point| (at.as_secs_f64() / 60.0, *value));
        chart.draw_series(LineSeries::new(line, &BLUE))?;
    }
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::soak::Series;

    #[test]
    fn each_series_has_a_diagram_with_its_name() {
        let mut samples = Samples::default();
        for second in 0..10 {
            let at = Duration::from_secs(second);
            samples.add(Series::Tables, at, 5.0);
            samples.add(Series::Log, at, 7.0);
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plot.svg");
        draw(&samples, "a title", &file).unwrap();
        let svg = std::fs::read_to_string(file).unwrap();
        for text in ["a title", Series::Tables.name(), Series::Log.name()] {
            assert!(svg.contains(text), "{text}");
        }
    }
}
