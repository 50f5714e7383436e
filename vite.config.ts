import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  root: 'web',
  plugins: [svelte()],
  build: { outDir: '../dist/web', emptyOutDir: true, target: 'es2022' },
  server: { proxy: { '/api': 'http://127.0.0.1:8420' } },
  test: {
    root: '.',
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/services/setup.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Two cores are shared with the servers under test; more workers only make them wait for each other.
    maxWorkers: 2,
  },
})
