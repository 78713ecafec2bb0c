// Spectral lines: wavelengths in air, Angstrom. Vacuum values follow from them.

const groups = {
  "Balmer": [[6562.80, "Hα"], [4861.33, "Hβ"], [4340.47, "Hγ"], [4101.74, "Hδ"], [3970.07, "Hε"]],
  "He I": [4026.19, 4387.93, 4471.48, 4713.15, 4921.93, 5015.68, 5875.62, 6678.15, 7065.19],
  "He II": [4541.59, 4685.70, 5411.52],
  "C II": [6578.05, 6582.88],
  "Si II": [6347.11, 6371.37],
  "Fe II": [5018.44, 5169.03, 5316.61, 6432.68, 6456.38, 6516.08],
  "Mg": [[4481.2, "Mg II"], [5167.32, "Mg I"], [5172.68, "Mg I"], [5183.60, "Mg I"]],
  "Na I": [[5889.95, "D2"], [5895.92, "D1"]],
  "Ca II": [[3933.66, "K"], [3968.47, "H"], 8498.02, 8542.09, 8662.14],
  "O I": [7771.94, 7774.17, 7775.39, 8446.36],
  "[O III]": [4958.91, 5006.84],
  "[N II]": [6548.05, 6583.45],
  "[S II]": [6716.44, 6730.82],
  "Li I": [6707.81],
  "DIB": [4428.0, 5780.5, 5797.1, 6283.8, 6613.6],
  "H₂O (telluric)": [6543.91, 6548.62, 6552.63, 6557.17, 6572.09, 6574.85],
};

export const LINES = Object.entries(groups).flatMap(([group, lines]) =>
  lines.map((line) => (Array.isArray(line)
    ? { wave: line[0], name: line[1].startsWith(group) || group === "Balmer" || group === "Mg" ? line[1] : `${group} ${line[1]}`, group }
    : { wave: line, name: group.replace(" (telluric)", ""), group })));

export const GROUPS = Object.keys(groups);

// N. Piskunov's inverse of the IAU's standard formula (Morton 2000), as in the VALD database.
export function vacuum(air) {
  if (air < 2000) return air;
  const square = (1e4 / air) ** 2;
  return air * (1 + 0.00008336624212083 + 0.02408926869968 / (130.1065924522 - square)
    + 0.0001599740894897 / (38.92568793293 - square));
}

// The lines of a text: a wavelength in Angstrom (air) and a name on each, separated by a blank, comma or tab.
export function parseLines(text) {
  const found = [];
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*"?(\d+(?:\.\d+)?)"?(?:[\s,;]+"?([^"]*)"?)?\s*$/.exec(line);
    if (match) found.push({ wave: Number(match[1]), name: (match[2] ?? "").trim().slice(0, 24), group: "own" });
  }
  return found;
}
