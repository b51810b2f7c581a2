#include "tools/cli/report_file.h"

#include <filesystem>
#include <utility>

#include "libstore/bytes/big_endian.h"
#include "libstore/report/facts.h"
#include "libstore/report/page.h"
#include "tools/cli/terminal.h"

namespace rmq::cli {

Status write_report(NewFile& file, const CommonOptions& common, const scan::StoreSurvey& survey,
                    const std::string& level, const forensics::VerifySummary& summary,
                    std::vector<forensics::Finding> findings) {
  Progress progress("rmq-verify, the report", common.progress, common.max_rate);
  progress.expect(survey.commit_log_bytes());
  auto facts = report::gather({io::posix_read_file_system(), survey, progress},
                              {static_cast<std::size_t>(common.jobs), common.utc});
  progress.finish();
  if (!facts) return facts.error();
  // Commands on the page work from any directory.
  facts->store = std::filesystem::absolute(survey.root).lexically_normal().string();
  facts->level = level;
  facts->program = "rmq-verify " RMQ_VERSION;
  facts->made_ms = now_ms();
  facts->summary = summary;
  facts->findings = std::move(findings);
  (void)file.write(as_bytes(report::page_of(*facts, survey)));
  return file.finish();
}

}  // namespace rmq::cli
