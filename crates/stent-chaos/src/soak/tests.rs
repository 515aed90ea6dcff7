//! What counts as growth.

use super::*;

fn samples(values: impl Iterator<Item = f64>) -> Samples {
    let mut samples = Samples::default();
    for (second, value) in (0..).zip(values) {
        samples.add(Series::WorkerMemory, Duration::from_secs(second), value);
    }
    samples
}

#[test]
fn what_grows_to_the_end_is_found() {
    let growing = samples((0..100).map(|second| 50.0 + f64::from(second))).growing();
    let expected = Growth {
        series: Series::WorkerMemory,
        before: 87.0,
        after: 137.0,
    };
    assert_eq!(growing, [expected]);
    assert!(growing[0].to_string().contains("from 87.0 to 137.0"));
}

#[test]
fn what_fills_up_in_the_first_quarter_does_not_grow() {
    let filled = samples((0..100).map(|second| 50.0 + f64::from(second.min(24))));
    assert_eq!(filled.growing(), []);
}

#[test]
fn noise_and_small_steps_are_no_growth() {
    let noisy = samples((0..100).map(|second| 100.0 + f64::from(second % 7)));
    assert_eq!(noisy.growing(), []);
    let small = samples((0..100).map(|second| 5.0 + f64::from(second) / 20.0));
    assert_eq!(small.growing(), []);
}

#[test]
fn work_may_grow() {
    let mut samples = Samples::default();
    for second in 0..100 {
        let at = Duration::from_secs(second);
        samples.add(Series::Throughput, at, at.as_secs_f64());
    }
    assert_eq!(samples.growing(), []);
    assert_eq!(samples.median(Series::Throughput, 3), Some(87.0));
}

#[test]
fn a_process_has_memory_and_files() {
    let (memory, files) = of_process(std::process::id()).unwrap();
    assert!(memory > 1.0 && files >= 1.0, "{memory} {files}");
    assert!(of_process(u32::MAX).is_err());
}
