//! Who may. The only maker of permits; knows no requests, no cookies and no Entra.

pub mod policy;
