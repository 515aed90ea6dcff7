//! What somebody may have meant who wrote an unknown name.

/// The known name that is nearest to one, if few letters have to be changed: a third of the longer of both.
pub(crate) fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let distances = known.iter().map(|known| (distance(name, known), *known));
    distances
        .filter(|(distance, known)| *distance <= name.len().max(known.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// How many letters have to be inserted, taken out or replaced to make one text the other (Levenshtein 1966).
fn distance(one: &str, other: &str) -> usize {
    // The distances of a start of `one` to all starts of `other`, the empty one first.
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (start, a) in (1..).zip(one.chars()) {
        let mut next = vec![start];
        for ((replaced, inserted), b) in row.iter().zip(&row[1..]).zip(other.chars()) {
            let taken_out = next.last().map_or(start, |left| left + 1);
            let replaced = replaced + usize::from(a != b);
            next.push(replaced.min(inserted + 1).min(taken_out));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn letters_that_differ_are_counted() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["queue", "max_concurrent", "max_attempts", "name"];
        assert_eq!(nearest("max_concurency", &known), Some("max_concurrent"));
        assert_eq!(nearest("attempts", &known), Some("max_attempts"));
        assert_eq!(nearest("queues", &known), Some("queue"));
        assert_eq!(nearest("colour", &known), None);
        assert_eq!(nearest("cron", &known), None);
        assert_eq!(nearest("x", &known), None);
    }
}
