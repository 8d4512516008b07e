//! Commands in a document, as a shell would read them.

/// A command that a document shows, and what it shows of its output.
pub struct Step {
    /// As written.
    pub text: String,
    pub command: Vec<String>,
    pub output: String,
}

/// The commands in the blocks marked `console`. One begins with `$ ` and ends
/// with its line, unless a quote is open or a backslash ends it.
pub fn steps(document: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = document.lines();
    while lines.any(|line| line == "```console") {
        for line in lines.by_ref().take_while(|line| *line != "```") {
            let open = steps.last_mut().filter(|step| step.command.is_empty());
            if let Some(step) = open {
                step.text = format!("{}\n{line}", step.text);
                step.command = words(&step.text).unwrap_or_default();
            } else if let Some(text) = line.strip_prefix("$ ") {
                steps.push(Step {
                    text: text.to_owned(),
                    command: words(text).unwrap_or_default(),
                    output: String::new(),
                });
            } else {
                let step = steps.last_mut().expect("output comes after a command");
                step.output = format!("{}{line}\n", step.output);
            }
        }
    }
    steps
}

/// The words of a command. Knows single quotes, and a backslash before the end
/// of a line; `None` where the command is not at its end.
pub fn words(command: &str) -> Option<Vec<String>> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    let mut characters = command.chars();
    while let Some(character) = characters.next() {
        match character {
            '\'' => quoted = !quoted,
            ' ' | '\n' if !quoted => words.push(String::new()),
            '\\' if !quoted => match characters.next() {
                None => return None,
                Some('\n') => {}
                Some(other) => panic!("\\{other} in {command}"),
            },
            '"' | '$' | '`' | '|' | '<' | '>' | '&' | ';' if !quoted => {
                panic!("a shell would make something of the {character} in {command}")
            }
            _ => words.last_mut()?.push(character),
        }
    }
    words.retain(|word| !word.is_empty());
    (!quoted).then_some(words)
}

#[test]
fn words_are_split_as_a_shell_splits_them() {
    assert_eq!(
        words("a -d '{\"b\": 1,\n  \"c\": 2}' \\\n    d").unwrap(),
        ["a", "-d", "{\"b\": 1,\n  \"c\": 2}", "d"]
    );
    assert_eq!(words("a 'b"), None);
    assert_eq!(words("a \\"), None);
}
