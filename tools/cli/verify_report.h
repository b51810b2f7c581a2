// Findings, summaries and forecasts as text and as JSON lines (docs/tools/rmq-verify.md).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/forensics/dump.h"
#include "libstore/forensics/finding.h"
#include "libstore/forensics/verify.h"
#include "libstore/forensics/verify_live.h"
#include "libstore/json/json_writer.h"
#include "libstore/preflight/preflight.h"
#include "libstore/scan/store_survey.h"

namespace rmq::cli {

// Of every JSON line that rmq-verify prints.
inline constexpr std::int32_t kVerifySchema = 1;

// Prints findings as they come; in text at the end, grouped under the file they are about, the worst first.
class VerifyReport {
 public:
  VerifyReport(forensics::OutputFormat format, bool color, forensics::ByteSink& out)
      : to_json_(format == forensics::OutputFormat::json), color_(color), out_(out) {}

  void finding(const forensics::Finding& finding);
  // `level` is its name; `code` is what the process will end with; `live` is nullptr where the store stood
  // still.
  void summary(const forensics::VerifySummary& summary, const forensics::LiveSummary* live,
               std::string_view level, double seconds, int code);
  // The survey tells which state files there are.
  void preflight(const preflight::Preflight& forecast, const scan::StoreSurvey& survey, int code);
  // False once nobody reads any more.
  [[nodiscard]] bool wanted() const { return wanted_; }

 private:
  void write(std::string_view text);
  void write_held();
  void live_text(const forensics::LiveSummary& live);
  [[nodiscard]] std::string advice(const forensics::VerifySummary& summary) const;
  void text_forecast(const preflight::Preflight& forecast, const scan::StoreSurvey& survey, int code);

  bool to_json_;
  bool color_;
  forensics::ByteSink& out_;
  bool wanted_ = true;
  bool any_ = false;
  std::vector<forensics::Finding> held_;                           // text only
  std::map<std::string, forensics::Severity, std::less<>> worst_;  // of each code
  json::JsonLine json_;
};

}  // namespace rmq::cli
