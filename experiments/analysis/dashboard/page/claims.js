// Part 3: the scorecard, the paper's figure beside ours.

function drawClaims(claims, opening) {
  fill("verdicts", opening,
    " Only real data at the protocols paper and recipe decide; other runs are shown beside them and decide nothing.");
  fill("claims-list", claims.map(claimCard));
}

function claimCard(claim) {
  const paper = claim.paper.length ? claim.paper : ["no figure"];
  const decided = claim.rows.some((row) => row.colour && !["not run", "undecided"].includes(row.verdict));
  const verdicts = claim.rows.filter((row) => row.colour).map(badge);
  return el("details", {class: "claim", id: `claim-${claim.claim}`, open: claim.rows.some((row) => row.ours.length)},
    el("summary", {}, el("b", {}, `${claim.claim} · ${claim.where} `), verdicts, " ",
      claim.statement[0].toUpperCase() + claim.statement.slice(1)),
    el("div", {class: "beside"},
      el("div", {}, el("h4", {}, "Paper"), paper.map((line) => el("div", {}, line)),
        claim.unstated ? el("div", {class: "note"}, `not stated: ${claim.unstated}`) : null),
      el("div", {}, el("h4", {}, "Ours"), claim.rows.map(claimRow))),
    decided ? null : el("p", {class: "note"}, "Decided by ", el("code", {}, claim.command)));
}

function shortP(p) {
  return p < 0.001 ? "< .001" : `= ${p.toFixed(3).slice(1)}`;
}

function badge(row) {
  const style = row.colour ? `--verdict:${row.colour}` : null;
  return el("span", {class: row.colour ? "badge" : "badge open", style}, row.verdict);
}

function claimRow(row) {
  return el("div", {class: row.colour ? "ours" : "ours beside-only"},
    el("div", {}, badge(row), " ", el("span", {class: "runs"}, row.runs)),
    row.ours.map((line) => el("div", {}, line)),
    row.levels.map((line) => el("div", {class: "note"}, line)),
    el("div", {class: "note"}, row.reason),
    row.p_holm === null ? null : el("div", {class: "note"}, `p ${shortP(row.p)}, ${shortP(row.p_holm)} after Holm`));
}
