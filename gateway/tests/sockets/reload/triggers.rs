//! What has the configuration read again.

use std::os::unix::fs::symlink;

use super::*;

fn with_permits(permits: u32) -> String {
    shipped(&[("permits = 64", &format!("permits = {permits}"))])
}

async fn permits(world: &Reloading) -> u64 {
    let limits = world.gateway.limits().await;
    limits["downstreams"]["pricing"]["permits"]
        .as_u64()
        .unwrap()
}

#[tokio::test]
async fn a_file_that_is_written_over_or_replaced_takes_effect_by_itself() {
    let (world, _fakes) = start(&with_permits(64)).await;
    std::fs::write(&world.file, with_permits(11)).unwrap();
    world.noticed(ReloadOutcome::Applied).await;
    assert_eq!(permits(&world).await, 11);
    // As editors do it.
    let new = world.file.with_extension("swp");
    std::fs::write(&new, with_permits(12)).unwrap();
    std::fs::rename(&new, &world.file).unwrap();
    until("the other one", async || permits(&world).await == 12).await;
    std::fs::write(&world.file, "no toml").unwrap();
    let refused = world.noticed(ReloadOutcome::Refused).await;
    assert!(refused.error.is_some());
    assert_eq!(permits(&world).await, 12);
    // And as they put it right again, while what is in force is the same all along.
    std::fs::write(&world.file, with_permits(12)).unwrap();
    world.noticed(ReloadOutcome::Unchanged).await;
}

/// `config.toml -> ..data/config.toml`, `..data -> ..1`: what Kubernetes mounts, and how it changes it.
#[tokio::test]
async fn a_folder_that_kubernetes_swaps_is_followed_again_and_again() {
    let (world, _fakes) = start(&with_permits(64)).await;
    let folder = world.file.parent().unwrap();
    for round in 1..4_u32 {
        let version = folder.join(format!("..{round}"));
        std::fs::create_dir(&version).unwrap();
        std::fs::write(version.join("config.toml"), with_permits(20 + round)).unwrap();
        let data = folder.join("..data");
        symlink(&version, folder.join("..data_tmp")).unwrap();
        std::fs::rename(folder.join("..data_tmp"), &data).unwrap();
        if round == 1 {
            symlink(data.join("config.toml"), folder.join("link")).unwrap();
            std::fs::rename(folder.join("link"), &world.file).unwrap();
        } else {
            std::fs::remove_dir_all(folder.join(format!("..{}", round - 1))).unwrap();
        }
        until("the swap to be noticed", async || {
            permits(&world).await == u64::from(20 + round)
        })
        .await;
    }
}

#[tokio::test]
async fn what_else_happens_in_the_folder_is_no_reload() {
    let (world, _fakes) = start(&with_permits(64)).await;
    for round in 0..5 {
        std::fs::write(world.file.with_file_name("other.log"), [round]).unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    std::fs::write(&world.file, with_permits(13)).unwrap();
    world.noticed(ReloadOutcome::Applied).await;
    assert_eq!(world.reloader.changes().len(), 1);
}
