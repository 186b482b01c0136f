//! Which of `[[upstream.route]]` a request takes.

use super::pattern::PathPattern;
use super::target::Target;

/// The paths of the routes, the longest first. The app that a request goes to and the audience of its assertion follow from the same answer.
#[derive(Clone, Debug, Default)]
pub struct PathRoutes(Vec<PathPattern>);

impl PathRoutes {
    /// The paths in the order in which they are tried.
    pub fn new(paths: impl IntoIterator<Item = PathPattern>) -> Self {
        Self(paths.into_iter().collect())
    }

    /// The position of the route that a request takes; nothing where it goes to the app that receives all others. The written path decides:
    /// it is what is sent.
    pub fn find(&self, target: &Target) -> Option<usize> {
        self.0.iter().position(|it| it.matches(target.path()))
    }
}
