import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    // Most of a test's time goes to waiting for processes: two files at once, whatever the machine.
    maxWorkers: 2,
    globalSetup: "test/support/build.ts",
    projects: [
      { test: { name: "unit", include: ["packages/*/test/**/*.test.ts"], testTimeout: 20_000 } },
      { test: { name: "e2e", include: ["test/**/*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000 } },
    ],
  },
});
