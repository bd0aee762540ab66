#!/usr/bin/env node
// In a syntax that old Node versions read too, so that they can say what is wrong instead of failing on the first modern line.
"use strict";

var path = require("path");
var url = require("url");

if (Number(process.versions.node.split(".")[0]) < 24) {
  console.error(
    "callgate needs Node 24 or newer and this is " +
      process.version +
      ": install it from https://nodejs.org and try again",
  );
  process.exit(1);
}

// What is published is built into dist; in the repository the source runs as it is.
var source = path.join(__dirname, "..", "src", "main.ts");
var main = require("fs").existsSync(source) ? source : path.join(__dirname, "..", "dist", "main.js");
import(url.pathToFileURL(main).href).catch(function (error) {
  console.error(error);
  process.exitCode = 1;
});
