// Findings, summaries and forecasts as text and as JSON lines (docs/tools/rmq-verify.md).
#pragma once

#include <string>
#include <string_view>

#include "libstore/forensics/dump.h"
#include "libstore/forensics/finding.h"
#include "libstore/forensics/verify.h"
#include "libstore/json/json_writer.h"
#include "libstore/preflight/preflight.h"

namespace rmq::cli {

// Prints findings as they come; in text, grouped under the file they are about.
class VerifyReport {
 public:
  VerifyReport(forensics::OutputFormat format, bool color, forensics::ByteSink& out)
      : to_json_(format == forensics::OutputFormat::json), color_(color), out_(out) {}

  void finding(const forensics::Finding& finding);
  void summary(const forensics::VerifySummary& summary, double seconds);
  void preflight(const preflight::Preflight& forecast);
  // False once nobody reads any more.
  [[nodiscard]] bool wanted() const { return wanted_; }

 private:
  void write(std::string_view text);
  void text_forecast(const preflight::Preflight& forecast);

  bool to_json_;
  bool color_;
  forensics::ByteSink& out_;
  bool wanted_ = true;
  bool any_ = false;
  std::string last_file_;
  json::JsonLine json_;
};

// The page of one code; empty for a code that does not exist.
[[nodiscard]] std::string explain(std::string_view code);

}  // namespace rmq::cli
