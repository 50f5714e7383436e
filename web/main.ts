import { mount } from 'svelte'
import App from './App.svelte'
import './app.css'
import { chosenTheme, wear } from './taste.ts'

const theme = chosenTheme()
if (theme) wear(theme)
mount(App, { target: document.body })
