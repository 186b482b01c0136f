//! How proxies of this kind have been broken, class by class.
