/// The candidate that was probably meant, if one is near enough to `name`.
///
/// Near means: equal but for case, dashes and underscores; or one is the beginning of the other (3 characters at
/// least); or few edits away (transpositions count once), a third of the longer name's length at most.
/// Of equally near candidates the first wins.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = fold(name);
    candidates
        .into_iter()
        .filter_map(|candidate| distance(&wanted, &fold(candidate)).map(|distance| (distance, candidate)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn fold(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect()
}

fn distance(wanted: &str, candidate: &str) -> Option<usize> {
    let edits = strsim::damerau_levenshtein(wanted, candidate);
    let longer = wanted.chars().count().max(candidate.chars().count());
    let shorter = wanted.chars().count().min(candidate.chars().count());
    if edits <= (longer / 3).max(1) && edits < longer {
        return Some(edits);
    }
    let is_prefix = wanted.starts_with(candidate) || candidate.starts_with(wanted);
    // `retires` for `retry`: the names part late and share most of their beginning.
    let shared = wanted.chars().zip(candidate.chars()).take_while(|(a, b)| a == b).count();
    let share_beginning = shared >= 3 && edits * 2 <= longer;
    ((is_prefix && shorter >= 3) || share_beginning).then_some(edits)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn typing_mistakes_find_their_word() {
        let keys = ["id", "name", "retry", "timeout", "for_each", "list_sims", "sims"];
        for (typed, meant) in [
            ("retires", "retry"),
            ("simz", "sims"),
            ("tiemout", "timeout"),
            ("for-each", "for_each"),
            ("forEach", "for_each"),
            ("nmae", "name"),
            ("list_sim", "list_sims"),
        ] {
            assert_eq!(nearest(typed, keys), Some(meant), "{typed}");
        }
    }

    #[test]
    fn strangers_find_nothing() {
        assert_eq!(nearest("frobnicate", ["id", "name", "retry"]), None);
        assert_eq!(nearest("x", ["id", "y"]), None);
    }
}
