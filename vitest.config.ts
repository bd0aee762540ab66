import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    // Most of a test's time goes to waiting for processes: two files at once, whatever the machine.
    maxWorkers: 2,
    globalSetup: "test/support/build.ts",
    // Files share a process: starting one for each takes a tenth of the time, and no test leaves anything behind in it.
    projects: [
      { test: { name: "unit", isolate: false, include: ["packages/*/test/**/*.test.ts"], testTimeout: 20_000 } },
      {
        test: { name: "e2e", isolate: false, include: ["test/**/*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000 },
      },
    ],
  },
});
