//! The output that a document shows, held against the one that came.

use regex::Regex;

/// Alone on a line: lines that are left out. Within a line: some text.
const LEFT_OUT: &str = "…";

/// Columns from one tab stop of a terminal to the next.
const TAB_COLUMNS: usize = 8;

/// Whether an output came as it is shown, on a terminal. Lines that are left out are
/// as far to the right as their mark, or further.
pub fn is_as_shown(shown: &str, came: &str) -> bool {
    let came = with_spaces(came);
    let lines: Vec<_> = came.lines().collect();
    are_as_shown(&shown.lines().collect::<Vec<_>>(), &lines)
}

fn are_as_shown(shown: &[&str], came: &[&str]) -> bool {
    let (Some((line, shown_after)), Some((first, came_after))) =
        (shown.split_first(), came.split_first())
    else {
        return shown.is_empty() && came.is_empty();
    };
    if line.trim() == LEFT_OUT {
        return indentation(first) >= indentation(line)
            && (are_as_shown(shown_after, came_after) || are_as_shown(shown, came_after));
    }
    is_line_as_shown(line, first) && are_as_shown(shown_after, came_after)
}

fn is_line_as_shown(shown: &str, came: &str) -> bool {
    if !shown.contains(LEFT_OUT) {
        return shown == came;
    }
    let parts: Vec<_> = shown.split(LEFT_OUT).map(regex::escape).collect();
    let pattern = format!("^{}$", parts.join(".+"));
    Regex::new(&pattern).unwrap().is_match(came)
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// A text with spaces in place of its tabs.
fn with_spaces(text: &str) -> String {
    let lines = text.lines().map(|line| {
        line.split_inclusive('\t')
            .fold(String::new(), |line, part| {
                let line = line + part.trim_end_matches('\t');
                if !part.ends_with('\t') {
                    return line;
                }
                let columns = line.chars().count();
                line + &" ".repeat(TAB_COLUMNS - columns % TAB_COLUMNS)
            })
    });
    lines.map(|line| line + "\n").collect()
}

/// The output that a document should show: the real output, without the lines that the
/// document omits.
pub fn updated(shown: &str, came: &str) -> String {
    let whole = with_spaces(came);
    let came: Vec<_> = whole.lines().collect();
    let shown: Vec<_> = shown.lines().collect();
    let mut lines = Vec::new();
    let (mut shown_next, mut came_next) = (0, 0);
    let ends = (shown.len(), came.len());
    for (shown_end, came_end) in common_lines(&shown, &came).into_iter().chain([ends]) {
        match (&shown[shown_next..shown_end], &came[came_next..came_end]) {
            ([mark], [_, ..]) if mark.trim() == LEFT_OUT => lines.push(*mark),
            (_, between) => lines.extend(between),
        }
        lines.extend(shown.get(shown_end));
        (shown_next, came_next) = (shown_end + 1, came_end + 1);
    }
    let updated: String = lines.iter().flat_map(|line| [*line, "\n"]).collect();
    if is_as_shown(&updated, &whole) {
        updated
    } else {
        whole
    }
}

/// The longest sequence of lines that are shown and came, by their numbers.
fn common_lines(shown: &[&str], came: &[&str]) -> Vec<(usize, usize)> {
    let alike = |of_shown: usize, of_came: usize| {
        let line = shown[of_shown];
        line.trim() != LEFT_OUT && is_line_as_shown(line, came[of_came])
    };
    // The length of the sequence in what follows each pair of lines.
    let mut lengths = vec![vec![0; came.len() + 1]; shown.len() + 1];
    for of_shown in (0..shown.len()).rev() {
        for of_came in (0..came.len()).rev() {
            lengths[of_shown][of_came] = if alike(of_shown, of_came) {
                1 + lengths[of_shown + 1][of_came + 1]
            } else {
                lengths[of_shown + 1][of_came].max(lengths[of_shown][of_came + 1])
            };
        }
    }
    let mut common = Vec::new();
    let (mut of_shown, mut of_came) = (0, 0);
    while of_shown < shown.len() && of_came < came.len() {
        if alike(of_shown, of_came) {
            common.push((of_shown, of_came));
            of_shown += 1;
            of_came += 1;
        } else if lengths[of_shown + 1][of_came] >= lengths[of_shown][of_came + 1] {
            of_shown += 1;
        } else {
            of_came += 1;
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAME: &str = "{\n  \"a\": {\n    \"b\": \"1\",\n    \"c\": []\n  },\n  \"d\": 2\n}\n";

    #[test]
    fn lines_that_are_not_marked_as_left_out_count() {
        for shown in [
            CAME,
            "{\n  \"a\": {\n    …\n  },\n  \"d\": 2\n}\n",
            "{\n  \"a\": {\n    \"b\": \"…\",\n    …\n  },\n  …\n}\n",
            "{\n  …\n  \"d\": 2\n}\n",
            "{\n  …\n}\n",
            "…\n",
        ] {
            assert!(is_as_shown(shown, CAME), "{shown}");
        }
        for (shown, why) in [
            ("", "an output that is not shown"),
            (
                "{\n  \"a\": {\n    …\n  },\n  \"d\": 3\n}\n",
                "another value",
            ),
            ("{\n  \"d\": 2,\n  …\n}\n", "another order"),
            ("{\n  …\n  \"z\": 2\n}\n", "a line that did not come"),
            ("{\n  …\n  …\n  …\n  …\n  …\n  …\n}\n", "a mark for no line"),
            ("{\n    …\n  \"d\": 2\n}\n", "a mark further to the right"),
            ("{\n  \"a\": {\n    …\n  },\n  \"d\": 2…\n}\n", "no text"),
            ("{\n  \"a\": {\n    …\n  },\n", "an output that goes on"),
        ] {
            assert!(!is_as_shown(shown, CAME), "{why}:\n{shown}");
        }
        assert!(is_as_shown("", ""));
    }

    #[test]
    fn tabs_are_shown_as_on_a_terminal() {
        assert!(is_as_shown(
            "  1)    {\n          \"…\"\n",
            "  1)\t{\n    \t  \"@type\"\n"
        ));
    }

    #[test]
    fn an_update_leaves_out_what_was_left_out() {
        for (shown, updated_to) in [
            (
                "{\n  \"a\": {\n    \"b\": \"…\",\n    …\n  },\n  \"d\": 3\n}\n",
                "{\n  \"a\": {\n    \"b\": \"…\",\n    …\n  },\n  \"d\": 2\n}\n",
            ),
            ("{\n  …\n  \"z\": 2\n}\n", CAME),
            ("", CAME),
        ] {
            assert_eq!(updated(shown, CAME), updated_to);
        }
    }
}
