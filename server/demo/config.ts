/** The config file of the demo: an example of every common kind of check and pair, in the words a user would write. */
export const demoConfig = `# The demo's config. Yours looks the same: copy what fits, and start with npm start -- --config my.yaml
connections:
  crm: { url: "\${CRM_URL}" }
  billing: { url: "\${BILLING_URL}" }

pipelines:
  customers:
    title: CRM customers to billing
    pattern: event-driven
    tier: operational
    owner: team-crm
    runbook: https://wiki.example/runbooks/customers
    route: [CRM, customer outbox, sync worker, billing]
    checks:
      - { probe: table-lag, every: 3s, timeout: 2500ms, source: crm.public.customers, target: billing.public.customers, column: updated_at }
      # The queue is a table: a word in "state" says what became of a record, "error" holds what billing answered.
      - probe: outbox
        every: 3s
        timeout: 2500ms
        table: crm.public.customers_outbox
        status: { column: state, processed: [done], dead: [dead] }
        failed: error
        changed: settled_at
        window: 5m
        rules:
          - { metric: dead_letters, above: 10, for: 5s, severity: crit }
          - { metric: error_ratio, above: 0.01, for: 10s, severity: crit }
    pairs:
      - id: customers
        source: { table: crm.public.customers }
        target: { table: billing.public.customers, columns: { email: email_address } }
        key: [id]
        exclude: [segment] # billing does not have it
        # What differs is looked at again once the checks above have seen the target pass the first look.
        settle: { wait: 3s, tries: 5 }
        schedule: "0 2 * * *"
        timezone: Europe/Berlin
        # Phone numbers are corrected in billing, by the people who call them; all else is right in the CRM.
        authority: { default: source, fields: { phone: target } }
        deletes: hold
        corrections: { mode: propose, limit: { rows: 500, ratio: 0.1 } }

  orders:
    title: Orders to invoices
    pattern: event-driven
    tier: realtime
    owner: team-orders
    runbook: https://wiki.example/runbooks/orders
    route: [CRM, order outbox, invoice writer, billing]
    checks:
      - { probe: table-lag, every: 2s, timeout: 1500ms, source: crm.public.orders, target: billing.public.invoices, column: updated_at }
      - probe: outbox
        every: 3s
        timeout: 2500ms
        table: crm.public.orders_outbox
        status: { column: state, processed: [done], dead: [dead] }
        failed: error
        changed: settled_at
        window: 5m
      # As many invoices as orders in every minute: finds what was dropped without an error.
      - probe: completeness
        every: 15s
        timeout: 10s
        source: crm.public.orders
        target: billing.public.invoices
        column: placed_at
        window: 1m
        windows: 20
        settle: 3m
    pairs:
      - id: orders
        source: { table: crm.public.orders }
        target: { table: billing.public.invoices, columns: { id: order_id, net: net_amount, tax: tax_amount } }
        key: [id]
        settle: { wait: 3s, tries: 5 }
        schedule: "15 2 * * *"
        timezone: Europe/Berlin
        corrections: { mode: propose, limit: { rows: 500, ratio: 0.1 } }

  payments:
    title: Payments to the ledger
    pattern: pub-sub
    tier: realtime
    owner: team-finance
    runbook: https://wiki.example/runbooks/payments
    route: [CRM, payment topic, ledger writer, billing]
    checks:
      - probe: outbox
        every: 3s
        timeout: 2500ms
        table: crm.public.payments_outbox
        status: { column: state, processed: [done], dead: [dead] }
        failed: error
        changed: settled_at
        window: 5m
      # The ledger has no unique key, and what is delivered twice stands there twice.
      - { probe: duplicates, every: 5s, timeout: 4s, table: billing.public.payment_events, key: [payment_id], column: updated_at, window: 1h }
      - probe: completeness
        every: 15s
        timeout: 10s
        source: crm.public.payments
        target: billing.public.payment_events
        column: updated_at
        window: 1m
        windows: 20
        settle: 1m

  contacts:
    title: Contacts to billing
    pattern: fire-and-forget
    tier: operational
    owner: team-crm
    runbook: https://wiki.example/runbooks/contacts
    route: [CRM, contact outbox, sync worker, billing]
    checks:
      - { probe: table-lag, every: 3s, timeout: 2500ms, source: crm.public.contacts, target: billing.public.contacts, column: updated_at }
      - probe: outbox
        every: 3s
        timeout: 2500ms
        table: crm.public.contacts_outbox
        status: { column: state, processed: [done], dead: [dead] }
        failed: error
        changed: settled_at
        window: 5m
    pairs:
      - id: contacts
        source: { table: crm.public.contacts }
        target: { table: billing.public.contacts, columns: { id: contact_id, name: full_name } }
        key: [id]
        settle: { wait: 3s, tries: 5 }
        schedule: "30 2 * * *"
        timezone: Europe/Berlin
        # Rows that are only in billing are listed and left alone.
        deletes: hold
        corrections: { mode: propose, limit: { rows: 500, ratio: 0.1 } }

  subscriptions:
    title: Subscriptions to billing
    pattern: request-reply
    tier: realtime
    owner: team-plans
    runbook: https://wiki.example/runbooks/subscriptions
    route: [CRM, billing API, billing]
    checks:
      - { probe: table-lag, every: 5s, timeout: 4s, source: crm.public.subscriptions, target: billing.public.subscriptions, column: updated_at }
      # Any query of your own becomes a reading; with a signal it also gets that signal's rules.
      - probe: sql
        id: requests
        every: 5s
        timeout: 4s
        connection: crm
        query: >-
          select sum(failed)::float8 / nullif(sum(handled), 0) as error_ratio, coalesce(sum(handled), 0) as handled_records
          from sync_attempts where pipeline = 'subscriptions' and slot > now() - interval '5 minutes'
        metrics:
          error_ratio: { help: Refused of all requests in five minutes., unit: ratio, signal: errors }
          handled_records: { help: Requests in five minutes., unit: records }
    pairs:
      - id: subscriptions
        source: { table: crm.public.subscriptions }
        target: { table: billing.public.subscriptions }
        key: [id]
        settle: { wait: 3s, tries: 5 }
        schedule: "45 2 * * *"
        timezone: Europe/Berlin

  prices:
    title: Price list to billing
    pattern: batch
    tier: reference
    owner: team-catalogue
    runbook: https://wiki.example/runbooks/prices
    route: [CRM, half-minute import, billing]
    targets: { lag: 2m }
    checks:
      - { probe: table-lag, every: 5s, timeout: 4s, source: crm.public.prices, target: billing.public.price_list, column: updated_at }
      - probe: sql
        id: imports
        every: 10s
        timeout: 4s
        connection: billing
        query: >-
          select count(*) filter (where state = 'failed')::float8 / nullif(count(*), 0) as error_ratio,
            extract(epoch from now() - max(ended_at))::float8 as since_last_import_seconds
          from price_imports where started_at > now() - interval '1 hour'
        metrics:
          error_ratio: { help: Imports of the last hour that failed., unit: ratio, signal: errors }
          since_last_import_seconds: { help: Time since an import ended., unit: seconds }
        rules:
          - { metric: since_last_import_seconds, above: 2m, for: 30s, severity: crit }
    pairs:
      - id: prices
        source: { table: crm.public.prices }
        target: { table: billing.public.price_list }
        key: [sku, currency]
        settle: { wait: 10s, tries: 5 } # longer than an import takes to come round
        schedule: "0 3 * * *"
        timezone: Europe/Berlin
`
