/* What pages gain when scripts run; every page works without them. */

import { announceZone } from "./zone.js";
import { copyButtons } from "./copy.js";
import { dialogs } from "./dialog.js";
import { reveals } from "./reveal.js";
import { toasts } from "./toast.js";

announceZone();
copyButtons();
dialogs();
reveals();
toasts();
