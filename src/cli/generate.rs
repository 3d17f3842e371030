//! `generate`: manual pages, shell completions, the sample configuration and the document of the admin API, from the
//! definitions the program runs on.
//!
//! The command line comes in as a value, so that what is generated is what is parsed.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::{Args, Command, Subcommand};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::{admin::api, config, settings};

/// The program's name, as completions know it.
const NAME: &str = "anmei-mcp";

/// What to generate, and where to.
#[derive(Debug, Clone, Args)]
pub struct GenerateArgs {
    /// What to generate
    #[command(subcommand)]
    pub what: GenerateCommand,
    /// Directory to write to, made when missing; `-` is standard output
    #[arg(long, short, global = true, default_value = "-", value_name = "DIR")]
    pub output: PathBuf,
}

/// What can be generated.
#[derive(Debug, Clone, Subcommand)]
pub enum GenerateCommand {
    /// Manual pages: one per command, anmei-mcp.toml(5) and anmei-mcp-settings(5)
    Man,
    /// Completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Sample configuration: every key with its meaning and default
    Config,
    /// The document that describes the admin API (OpenAPI), as the daemon serves it at /api/v1/openapi.json
    Openapi,
}

/// A file that was generated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// Its name.
    pub name: String,
    /// Its content.
    pub content: Vec<u8>,
}

/// Runs `generate …` and returns the exit code.
pub fn run(args: &GenerateArgs, command: Command) -> anyhow::Result<u8> {
    let files = match &args.what {
        GenerateCommand::Man => man(command)?,
        GenerateCommand::Completions { shell } => vec![completions(*shell, command)],
        GenerateCommand::Config => vec![sample()],
        GenerateCommand::Openapi => vec![document()?],
    };
    if args.output == Path::new("-") {
        let mut out = io::stdout().lock();
        for file in &files {
            out.write_all(&file.content)?;
        }
        out.flush()?;
    } else {
        write_all(&files, &args.output)?;
    }
    Ok(0)
}

fn write_all(files: &[Generated], directory: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    for file in files {
        let path = directory.join(&file.name);
        fs::write(&path, &file.content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The manual pages of the command and all its subcommands, those of the configuration file and of the runtime settings.
pub fn man(command: Command) -> anyhow::Result<Vec<Generated>> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    command_pages(&command, &mut pages)?;
    pages.push(Generated { name: format!("{NAME}.toml.5"), content: config::manual().into_bytes() });
    pages.push(Generated { name: format!("{NAME}-settings.5"), content: settings::manual().into_bytes() });
    Ok(pages)
}

fn command_pages(command: &Command, pages: &mut Vec<Generated>) -> anyhow::Result<()> {
    let man = Man::new(command.clone());
    let mut content = Vec::new();
    man.render(&mut content)?;
    pages.push(Generated { name: man.get_filename(), content });
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        command_pages(subcommand, pages)?;
    }
    Ok(())
}

/// The completions for a shell, under the name that shell looks for.
pub fn completions(shell: Shell, mut command: Command) -> Generated {
    let mut content = Vec::new();
    clap_complete::generate(shell, &mut command, NAME, &mut content);
    let name = clap_complete::Generator::file_name(&shell, NAME);
    Generated { name, content }
}

/// The sample configuration.
pub fn sample() -> Generated {
    Generated { name: format!("{NAME}.toml"), content: config::sample().into_bytes() }
}

/// The document that describes the admin API.
pub fn document() -> anyhow::Result<Generated> {
    let mut content = serde_json::to_vec_pretty(&api::document())?;
    content.push(b'\n');
    Ok(Generated { name: "openapi.json".into(), content })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        let group = Command::new("group").about("Groups").subcommand(Command::new("list").about("List groups"));
        let command = Command::new(NAME).version("0.1.0").about("A daemon").subcommand(group);
        command.subcommand(GenerateArgs::augment_args(Command::new("generate").about("Generate files")))
    }

    #[test]
    fn every_command_has_a_page() {
        let names: Vec<String> = man(command()).unwrap().into_iter().map(|page| page.name).collect();
        for name in ["anmei-mcp.1", "anmei-mcp-group.1", "anmei-mcp-group-list.1", "anmei-mcp.toml.5", "anmei-mcp-settings.5"] {
            assert!(names.iter().any(|known| known == name), "{name} is not in {names:?}");
        }
    }

    #[test]
    fn every_shell_has_completions() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell, Shell::Elvish] {
            let file = completions(shell, command());
            assert!(String::from_utf8(file.content).unwrap().contains("group"), "{}", file.name);
        }
    }

    #[test]
    fn files_go_where_they_are_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let output = directory.path().join("new/dir");
        let args = GenerateArgs { what: GenerateCommand::Config, output: output.clone() };
        assert_eq!(run(&args, command()).unwrap(), 0);
        assert_eq!(fs::read(output.join("anmei-mcp.toml")).unwrap(), sample().content);
    }

    #[test]
    fn the_same_command_line_gives_the_same_pages() {
        assert_eq!(man(command()).unwrap(), man(command()).unwrap());
    }
}
