// The inbox: a new or changed case appears by itself.

import "./keys.js";
import { follow, refresher } from "./live.js";

const refresh = refresher();
follow({
  board: refresh,
  news(news) {
    if (news.kind === "case_stored") refresh();
  },
});
