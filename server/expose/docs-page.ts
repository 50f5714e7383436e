import { createHash } from 'node:crypto'
import { html, raw } from 'hono/html'
import type { documentOf } from './document.ts'

type Document = ReturnType<typeof documentOf>
type Operation = NonNullable<NonNullable<Document['paths']>[string]['get']>
type Schema = Record<string, unknown>

const style = `
:root{color-scheme:light dark;--paper:#f6f8f8;--sheet:#fff;--rule:#dbe2e2;--ink:#12201f;--ink-3:#566564;--quay:#0a5c66}
@media (prefers-color-scheme:dark){:root{--paper:#0e1515;--sheet:#141d1d;--rule:#263232;--ink:#e5edec;--ink-3:#93a2a0;--quay:#6fc6cf}}
*{box-sizing:border-box}body{margin:0 auto;max-width:960px;padding:24px 16px 64px;background:var(--paper);color:var(--ink);font:400 14px/1.5 system-ui,sans-serif}
h1{font-size:26px;margin:0 0 8px}h2{font-size:18px;margin:40px 0 8px;text-transform:none}h3{font-size:14px;margin:0}
a{color:var(--quay)}code,pre{font:13px/1.5 ui-monospace,Menlo,Consolas,monospace}pre{margin:0;overflow-x:auto}
article{background:var(--sheet);border:1px solid var(--rule);border-radius:6px;padding:12px 16px;margin:12px 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:8px 0 0}dd{margin:0}dt,.dim{color:var(--ink-3)}p{margin:4px 0}
@media (max-width:640px){dl{grid-template-columns:1fr}dd{margin-bottom:6px}}
`

/** The page has no script, and its one style is allowed by its hash. */
export const docsPolicy = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

/** The document as a page to read: every route with what it takes and answers, and every shape once. */
export const docsPage = (document: Document) => {
  const operations = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    (['get', 'post', 'delete'] as const).flatMap((method) => {
      const operation = item[method]
      return operation ? [{ path, method, operation }] : []
    }),
  )
  const tags = [...new Set(operations.map(({ operation }) => operation.tags?.[0] ?? 'other'))]
  const schemas = Object.entries(document.components?.schemas ?? {})
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Tallyman API</title>
        <style>
          ${raw(style)}
        </style>
      </head>
      <body>
        <h1>Tallyman API</h1>
        <p>${document.info.description}</p>
        <p>For programs: <a href="/api/v1/openapi.json">openapi.json</a>.</p>
        ${tags.map(
          (tag) =>
            html`<h2 id="${tag}">${tag}</h2>
              ${operations.filter(({ operation }) => (operation.tags?.[0] ?? 'other') === tag).map(operationPart)}`,
        )}
        <h2 id="shapes">Shapes</h2>
        ${schemas.map(
          ([name, schema]) =>
            html`<article id="${name}">
              <h3>${name}</h3>
              ${fieldsPart(schema as Schema)}
            </article>`,
        )}
      </body>
    </html>`
}

const operationPart = ({ path, method, operation }: { path: string; method: string; operation: Operation }) => {
  const role = String((operation as Record<string, unknown>)['x-least-role'])
  const parameters = (operation.parameters ?? []).filter((parameter) => 'name' in parameter)
  const input = bodySchema(operation.requestBody)
  return html`<article>
    <h3><code>${method.toUpperCase()} ${path}</code></h3>
    <p>${operation.summary}. <span class="dim">Needs ${role === 'public' ? 'no token' : role}.</span></p>
    ${operation.description ? html`<p>${operation.description}</p>` : ''}
    ${
      parameters.length > 0
        ? html`<dl>
            ${parameters.map(
              (parameter) =>
                html`<dt><code>${parameter.name}</code> ${parameter.in}${parameter.required ? '' : ', optional'}</dt>
                  <dd>${typeOf(parameter.schema as Schema)} ${parameter.description ?? ''}</dd>`,
            )}
          </dl>`
        : ''
    }
    ${
      input
        ? html`<p class="dim">Body</p>
            ${fieldsPart(input)}`
        : ''
    }
    <dl>
      ${Object.entries(operation.responses ?? {}).map(
        ([status, answer]) =>
          html`<dt>${status}</dt>
            <dd>${answerPart(answer as Schema)}</dd>`,
      )}
    </dl>
  </article>`
}

const bodySchema = (body: unknown) => schemaOf(body as Schema | undefined)

function schemaOf(part: Schema | undefined): Schema | undefined {
  const content = part?.['content'] as Record<string, { schema?: Schema }> | undefined
  return content ? Object.values(content)[0]?.schema : undefined
}

const answerPart = (answer: Schema) => {
  const schema = schemaOf(answer)
  const kind = Object.keys((answer['content'] as object | undefined) ?? {})[0]
  return html`${schema ? typeOf(schema) : ''} <span class="dim">${kind ?? ''}</span> ${answer['description']}`
}

const fieldsPart = (schema: Schema) => {
  const parts = (schema['allOf'] as Schema[] | undefined) ?? [schema]
  const fields = parts.flatMap((part) =>
    Object.entries((part['properties'] as Record<string, Schema> | undefined) ?? {}),
  )
  const bases = parts.filter((part) => part['$ref']).map(typeOf)
  return html`${bases.length > 0 ? html`<p>All of ${bases}, and</p>` : ''}
    <dl>
      ${fields.map(
        ([name, field]) =>
          html`<dt><code>${name}</code></dt>
            <dd>${typeOf(field)} ${field['description'] ?? ''}</dd>`,
      )}
    </dl>`
}

/** A type in a few words; a named shape is a link to it. */
const typeOf = (schema: Schema | undefined): ReturnType<typeof html> => {
  if (!schema) return html``
  const name = typeof schema['$ref'] === 'string' ? schema['$ref'].split('/').at(-1)! : undefined
  if (name) return html`<a href="#${name}">${name}</a>`
  const options = (schema['anyOf'] ?? schema['oneOf'] ?? schema['allOf']) as Schema[] | undefined
  if (options) return html`${options.map((option, index) => html`${index > 0 ? ' or ' : ''}${typeOf(option)}`)}`
  if (Array.isArray(schema['enum'])) return html`<code>${schema['enum'].join(' | ')}</code>`
  const types = [schema['type']].flat().filter(Boolean).join(' or ')
  if (schema['items']) return html`list of ${typeOf(schema['items'] as Schema)}`
  return html`<code>${types || 'any'}${schema['format'] ? ` (${String(schema['format'])})` : ''}</code>`
}
