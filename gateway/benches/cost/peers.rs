//! What a page costs elsewhere: nginx with Lua, and Node with undici.
//!
//! Neither belongs to this project. Each is found on this machine, or named as missing with
//! what installs it; both make the same calls and write the same bytes as [`bare`](crate::bare).

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use fixtures::Service;
use tempfile::TempDir;

use crate::process::Process;
use crate::roles::{LIFE, LISTENING};

const NGINX_CONF: &str = include_str!("peers/nginx.conf");
const NODE_SCRIPT: &str = include_str!("peers/node.mjs");

/// Where undici is installed, beside its script: in cargo's own directory.
const NODE_FILES: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/cost-peers");
const UNDICI: &str = "undici@7";

/// Another server that makes pages of five calls.
#[derive(Clone, Debug)]
pub(crate) enum Peer {
    /// nginx with Lua's `capture_multi`, one worker.
    Nginx {
        /// The program.
        program: PathBuf,
        /// Where its modules are.
        modules: String,
    },
    /// Node's server with undici's client, one process.
    Node {
        /// The program.
        program: PathBuf,
    },
}

/// Those that this machine has, and one line for each that it has not.
pub(crate) fn find() -> (Vec<Peer>, Vec<String>) {
    let mut missing = Vec::new();
    let found = [("nginx + Lua", nginx()), ("Node + undici", node())];
    let peers = found.into_iter().filter_map(|(name, peer)| {
        peer.map_err(|why| missing.push(format!("without {name}: {why:#}")))
            .ok()
    });
    (peers.collect(), missing)
}

fn nginx() -> anyhow::Result<Peer> {
    const REMEDY: &str = "apt-get install nginx libnginx-mod-http-lua";
    let program = program("nginx", REMEDY)?;
    let said = Command::new(&program).arg("-V").output()?;
    let said = String::from_utf8_lossy(&said.stderr);
    let modules = said
        .split_whitespace()
        .find_map(|word| word.strip_prefix("--modules-path="))
        .context("`nginx -V` names no --modules-path")?;
    for module in ["ndk_http_module.so", "ngx_http_lua_module.so"] {
        ensure!(
            Path::new(modules).join(module).exists(),
            "{modules}/{module} does not exist; {REMEDY}"
        );
    }
    Ok(Peer::Nginx {
        program,
        modules: modules.to_owned(),
    })
}

fn node() -> anyhow::Result<Peer> {
    const REMEDY: &str = "apt-get install nodejs npm";
    let (program, npm) = (program("node", REMEDY)?, program("npm", REMEDY)?);
    std::fs::create_dir_all(NODE_FILES)?;
    if !Path::new(NODE_FILES).join("node_modules/undici").exists() {
        let installed = Command::new(npm)
            .args(["install", "--no-audit", "--no-fund", "--prefix", NODE_FILES])
            .arg(UNDICI)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()?;
        ensure!(installed.success(), "npm could not install {UNDICI}");
    }
    std::fs::write(Path::new(NODE_FILES).join("node.mjs"), NODE_SCRIPT)?;
    Ok(Peer::Node { program })
}

/// Looks in `PATH`, and where Debian puts servers.
fn program(name: &str, remedy: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
        .with_context(|| format!("{name} is not on PATH; {remedy}"))
}

impl Peer {
    /// Starts it with the services at `downstreams`, given in the order of [`Service::ALL`].
    pub(crate) fn start(&self, downstreams: &[SocketAddr]) -> anyhow::Result<Process> {
        let parts: Vec<_> = Service::ALL.into_iter().zip(downstreams.iter()).collect();
        let started = match self {
            Self::Nginx { program, modules } => {
                let files = TempDir::new()?;
                let conf = nginx_conf(modules, files.path(), &parts)?;
                let file = files.path().join("nginx.conf");
                std::fs::write(&file, conf)?;
                let mut command = Command::new(program);
                command.args(["-e", "stderr", "-p"]).arg(files.path());
                command.arg("-c").arg(file);
                Process::run(command, Some(files))
            }
            Self::Node { program } => {
                let described = parts.iter().map(|(service, at)| {
                    [
                        service.name().into(),
                        format!("http://{at}"),
                        service.path(""),
                    ]
                });
                let mut command = Command::new(program);
                command
                    .arg(Path::new(NODE_FILES).join("node.mjs"))
                    .args([LIFE.as_secs().to_string(), LISTENING.to_owned()])
                    .arg(serde_json::to_string(&described.collect::<Vec<_>>())?);
                Process::run(command, None)
            }
        };
        started.with_context(|| format!("as {self:?}"))
    }
}

fn nginx_conf(
    modules: &str,
    directory: &Path,
    parts: &[(Service, &SocketAddr)],
) -> anyhow::Result<String> {
    let (mut upstreams, mut locations, mut called) = (String::new(), String::new(), String::new());
    for (service, address) in parts {
        let (name, path) = (service.name(), service.path(""));
        writeln!(
            upstreams,
            "  upstream {name} {{ server {address}; keepalive 1024; \
             keepalive_timeout 120s; keepalive_requests 1000000; }}"
        )?;
        writeln!(
            locations,
            "    location /{name}/ {{ internal; proxy_pass http://{name}/; }}"
        )?;
        write!(called, "{{ \"{name}\", \"{path}\" }}, ")?;
    }
    // It cannot choose a free port by itself and say which. Taken meanwhile, it does not start.
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let Some(directory) = directory.to_str() else {
        bail!("a temporary directory whose name is not UTF-8");
    };
    let filled = NGINX_CONF
        .replace("{modules}", modules)
        .replace("{directory}", directory)
        .replace("{upstreams}", &upstreams)
        .replace("{locations}", &locations)
        .replace("{parts}", &called)
        .replace("{life}", &LIFE.as_secs().to_string())
        .replace("{listening}", LISTENING)
        .replace("{address}", &address.to_string());
    Ok(filled)
}
