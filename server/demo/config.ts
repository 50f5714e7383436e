export const demoConfig = ``
