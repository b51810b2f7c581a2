#include "tools/cli/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "libstore/forensics/dump_filter.h"
#include "libstore/forensics/finding_table.h"
#include "libstore/json/json_writer.h"
#include "tools/cli/verify_report.h"

namespace rmq::cli {
namespace {

constexpr std::size_t kColumns = 100;

void append_page(std::string& out, const forensics::FindingRow& row) {
  if (!out.empty()) out += '\n';
  fmt::format_to(std::back_inserter(out), "{}  {} (usually {})\n", row.code, row.title,
                 forensics::to_string(row.usual));
  for (const std::string& paragraph : {std::string(row.meaning), "Usual cause: " + std::string(row.cause),
                                       "What to do: " + std::string(row.fix)}) {
    out += '\n' + wrapped(paragraph, "  ");
  }
}

void append_row(json::JsonLine& out, const forensics::FindingRow& row) {
  out.begin_object();
  out.field("kind", "explanation");
  out.field("schema", kVerifySchema);
  out.field("code", row.code);
  out.field("severity", forensics::to_string(row.usual));
  out.field("title", row.title);
  out.field("meaning", row.meaning);
  out.field("cause", row.cause);
  out.field("fix", row.fix);
  out.end_object();
  out.end_line();
}

}  // namespace

std::string wrapped(std::string_view text, std::string_view indent) {
  std::string out;
  std::size_t column = 0;
  while (!text.empty()) {
    const std::size_t space = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, space);
    if (column > 0 && column + 1 + word.size() > kColumns) {
      out += '\n';
      column = 0;
    }
    const std::string_view before = column == 0 ? indent : " ";
    out += before;
    out += word;
    column += before.size() + word.size();
    text.remove_prefix(std::min(space + 1, text.size()));
  }
  return out + '\n';
}

std::string explain(const std::vector<std::string>& globs, forensics::OutputFormat format) {
  std::string text;
  json::JsonLine lines;
  for (const forensics::FindingRow& row : forensics::finding_table()) {
    const auto matches = [&](const std::string& glob) { return forensics::matches_glob(glob, row.code); };
    if (std::ranges::none_of(globs, matches)) continue;
    if (format == forensics::OutputFormat::json) {
      append_row(lines, row);
    } else {
      append_page(text, row);
    }
  }
  return format == forensics::OutputFormat::json ? std::string(lines.text()) : text;
}

std::string explain_list() {
  std::string text;
  for (const forensics::FindingRow& row : forensics::finding_table()) {
    fmt::format_to(std::back_inserter(text), "{:<20} {:<9} {}\n", row.code, forensics::to_string(row.usual),
                   row.title);
  }
  return text;
}

}  // namespace rmq::cli
