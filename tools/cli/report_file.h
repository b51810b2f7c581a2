// rmq-verify --report: the page, and its file.
#pragma once

#include <string>
#include <vector>

#include "libstore/forensics/finding.h"
#include "libstore/forensics/verify.h"
#include "libstore/scan/store_survey.h"
#include "tools/cli/new_file.h"
#include "tools/cli/store_input.h"

namespace rmq::cli {

// Looks at the store for all that rmq-verify's findings do not say, and writes the page into `file`.
[[nodiscard]] Status write_report(NewFile& file, const CommonOptions& common, const scan::StoreSurvey& survey,
                                  const std::string& level, const forensics::VerifySummary& summary,
                                  std::vector<forensics::Finding> findings);

}  // namespace rmq::cli
