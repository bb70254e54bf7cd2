window.siteVersions = [];
