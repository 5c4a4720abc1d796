/** Rows as aligned columns of text. Numbers are easier to compare when they end at the same place. */

export interface Column {
  readonly title: string;
  readonly align: "left" | "right";
}

const GAP = "  ";

/** The titles and then one line per row; lines have no spaces at their end. */
export function textTable(columns: readonly Column[], rows: readonly (readonly string[])[]): readonly string[] {
  const titles = columns.map((column) => column.title);
  const widths = columns.map((_, i) => Math.max(...[titles, ...rows].map((row) => row[i]?.length ?? 0)));
  return [titles, ...rows].map((row) => {
    const cells = columns.map((column, i) => {
      const cell = row[i] ?? "";
      return column.align === "left" ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0);
    });
    return cells.join(GAP).trimEnd();
  });
}
