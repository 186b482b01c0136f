//! `[pages]`: the operator's name, logo, color and support address.

mod chromium;
mod pages;

use crate::world::browser::NAVIGATION;
use crate::world::company::company;
use crate::world::samples::FABRIKAM;
use crate::world::{RULES, World, WorldPlan, raw};
use entrada::base::company_code::CompanyCode;
use entrada::directory::change::NewOrganization;

const SVG: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 8 8\"><script>alert(1)</script><rect width=\"8\" height=\"8\"/></svg>";

/// A PNG of 1 x 1 pixels, as far as its header.
fn png() -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0".to_vec();
    out.extend([0x1f, 0x15, 0xc4, 0x89]);
    out
}

/// The section, with a logo of this content in a file.
fn section(folder: &std::path::Path, logo: &[u8]) -> String {
    let path = folder.join("logo");
    std::fs::write(&path, logo).unwrap();
    format!(
        "[pages]\nname = \"Fleet <Tracker>\"\nlogo = \"{}\"\naccent = \"#ffd400\"\nsupport = \"mailto:help@fleet.example?subject=SSO&body=Hi\"\n",
        path.display()
    )
}

async fn branded(logo: &[u8]) -> (World, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let more = format!("{}{RULES}", section(folder.path(), logo));
    (World::with(WorldPlan { more, ..WorldPlan::default() }).await, folder)
}

/// The address of the logo on a page.
fn logo_of(page: &str) -> String {
    let (_, rest) = page.split_once("src=\"").unwrap_or_else(|| panic!("no logo: {page}"));
    rest.split('"').next().unwrap().to_owned()
}
