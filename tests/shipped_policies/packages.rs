//! Every file that a rule names is in the package that it names.

use super::*;

/// A path as it is on a host with merged folders.
fn merged(path: &str) -> String {
    let first = path.split('/').nth(1).unwrap_or_default();
    if ["bin", "sbin", "lib", "lib64"].contains(&first) { format!("/usr{path}") } else { path.to_owned() }
}

/// The files of packages: of those installed, and of others once they were downloaded.
struct Archive {
    folder: tempfile::TempDir,
    site: Option<String>,
    /// By suite, the packages there are.
    names: BTreeMap<&'static str, BTreeSet<String>>,
}

impl Archive {
    /// Reads the package lists of both suites, from the same place as this machine's own.
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let targets =
            output(Command::new("apt-get").args(["indextargets", "--format", "$(SITE) $(RELEASE)"]));
        let site = targets.lines().find_map(|line| {
            let (site, release) = line.split_once(' ')?;
            SUITES.contains(&release).then(|| site.to_owned())
        });
        let mut archive = Self { folder, site, names: BTreeMap::new() };
        for suite in SUITES {
            let names = archive.fetch_lists(suite).unwrap_or_default();
            archive.names.insert(suite, names);
        }
        archive
    }

    fn is_whole(&self) -> bool {
        self.names.values().all(|names| names.len() > 1000)
    }

    fn root(&self, suite: &str) -> PathBuf {
        self.folder.path().join(suite)
    }

    fn apt(&self, tool: &str, suite: &str) -> Command {
        let root = self.root(suite);
        let mut command = Command::new(tool);
        command.arg("-o").arg(format!("Dir={}/", root.display()));
        command.arg("-o").arg(format!("Dir::State::status={}/status", root.display()));
        command.args(["-o", "APT::Sandbox::User=root", "-o", "APT::Update::Post-Invoke-Success="]);
        command.args(["-o", "Acquire::Languages=none", "-o", "Acquire::Retries=3"]);
        command
    }

    fn fetch_lists(&self, suite: &'static str) -> Option<BTreeSet<String>> {
        let root = self.root(suite);
        for folder in ["etc/apt", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "debs"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("status"), "").unwrap();
        let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
        let line = format!("deb [signed-by={keys}] {} {suite} main\n", self.site.as_ref()?);
        fs::write(root.join("etc/apt/sources.list"), line).unwrap();
        output(self.apt("apt-get", suite).arg("update"));
        Some(output(self.apt("apt-cache", suite).arg("pkgnames")).lines().map(str::to_owned).collect())
    }

    /// Downloads packages that are not yet there, and names the package files.
    fn download(&self, suite: &str, packages: &BTreeSet<String>) {
        let there: BTreeSet<&String> = packages.intersection(&self.names[suite]).collect();
        if !there.is_empty() {
            output(
                self.apt("apt-get", suite)
                    .current_dir(self.root(suite).join("debs"))
                    .arg("download")
                    .args(there),
            );
        }
    }

    fn deb(&self, suite: &str, package: &str) -> Option<PathBuf> {
        let debs = fs::read_dir(self.root(suite).join("debs")).ok()?;
        let is_it = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&format!("{package}_")))
        };
        debs.map(|entry| entry.unwrap().path()).find(is_it)
    }

    fn files(&self, suite: &str, package: &str) -> Vec<String> {
        let Some(deb) = self.deb(suite, package) else { return Vec::new() };
        let listing = output(Command::new("dpkg-deb").arg("-c").arg(deb));
        let path = |line: &str| {
            let path = &line[line.find(" ./")? + 2..];
            Some(merged(path.split(" -> ").next()?.split(" link to ").next()?))
        };
        listing.lines().filter_map(path).collect()
    }

    fn content(&self, suite: &str, package: &str, path: &str) -> String {
        let Some(deb) = self.deb(suite, package) else { return String::new() };
        let part = if path == POSTINST { "--ctrl-tarfile" } else { "--fsys-tarfile" };
        let tar = Command::new("dpkg-deb").arg(part).arg(deb).output().unwrap().stdout;
        let file = self.folder.path().join("content.tar");
        fs::write(&file, tar).unwrap();
        output(Command::new("tar").arg("-xOf").arg(file).arg(format!(".{path}")))
    }
}

fn output(command: &mut Command) -> String {
    let output = command.env("LC_ALL", "C").output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn has(files: &[String], wanted: &str) -> bool {
    let pattern = Pattern::from(merged(wanted).as_str());
    files.iter().any(|file| !file.ends_with('/') && pattern.matches_path(file))
}

/// The files of our own package.
fn our_files() -> BTreeSet<String> {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let assets = manifest["package"]["metadata"]["deb"]["assets"].as_array().unwrap();
    let path = |asset: &toml::Value| Some(format!("/{}", asset.as_array()?.get(1)?.as_str()?));
    assets.iter().filter_map(path).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn every_file_is_in_the_package_that_its_rule_names() {
    if left_out("apt-get and dpkg-deb", Path::new("/usr/bin/apt-get").exists()) {
        return;
    }
    let mut wanted: BTreeSet<(String, String)> = BTreeSet::new();
    for rule in process_rules() {
        wanted.insert((rule.package.unwrap(), rule.exe.as_str().to_owned()));
    }
    wanted.extend(SCRIPTS.iter().map(|(script, package)| ((*package).to_owned(), (*script).to_owned())));
    // Debian does not have our own package; what it brings is written in this crate.
    let ours: BTreeSet<String> = our_files();
    assert!(ours.contains("/usr/bin/watchdog"), "{ours:?}");
    wanted.retain(|(package, file)| package != env!("CARGO_PKG_NAME") || !ours.contains(file));
    let mut installed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    wanted.retain(|(package, file)| {
        let files = installed.entry(package.clone()).or_insert_with(|| {
            output(Command::new("dpkg").args(["-L", package])).lines().map(merged).collect()
        });
        !has(files, file)
    });
    let archive = Archive::open();
    if left_out("the package lists of Debian 12 and 13", archive.is_whole()) {
        return;
    }
    let mut packages: BTreeSet<String> = wanted.iter().map(|(package, _)| package.clone()).collect();
    packages.extend(COMMANDS.iter().map(|(_, package, _)| (*package).to_owned()));
    for suite in SUITES {
        archive.download(suite, &packages);
        let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
        wanted.retain(|(package, file)| {
            !has(files.entry(package.clone()).or_insert_with(|| archive.files(suite, package)), file)
        });
    }
    assert_eq!(wanted, BTreeSet::new(), "not in these packages, neither installed nor in {SUITES:?}");
    for rule in process_rules() {
        let Some(command) = rule.script.as_ref().and_then(|script| script.as_str().strip_prefix("-c "))
        else {
            continue;
        };
        let (_, package, file) = COMMANDS.iter().find(|(end, _, _)| command.ends_with(end)).unwrap();
        // The path of a library folder has the architecture in it.
        let command = command.replace("aarch64-linux-gnu", &format!("{}-linux-gnu", std::env::consts::ARCH));
        let command = command.replace("x86_64-linux-gnu", &format!("{}-linux-gnu", std::env::consts::ARCH));
        // What is made by a script has a variable where the file's name will be.
        let command = match *file {
            POSTINST => command.replace("/etc/cron.daily/popularity-contest", "$FILE"),
            _ => command,
        };
        let file = file.replace("x86_64", std::env::consts::ARCH);
        let holds = |suite: &str| archive.content(suite, package, &file).contains(&command);
        assert!(SUITES.into_iter().any(holds), "{package} has no {command:?} in {file}");
    }
}
