#!/usr/bin/env node
// In a syntax that old Node versions read too, so that they can say what is wrong instead of failing on the first modern line.
"use strict";

var path = require("path");
var url = require("url");

if (Number(process.versions.node.split(".")[0]) < 24) {
  console.error(
    "callgate-verify needs Node 24 or newer and this is " +
      process.version +
      ": install it from https://nodejs.org and try again",
  );
  process.exit(3);
}

import(url.pathToFileURL(path.join(__dirname, "..", "src", "main.ts")).href).catch(function (error) {
  console.error(error);
  process.exitCode = 3;
});
