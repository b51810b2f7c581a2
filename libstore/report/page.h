// The facts as one page that stands alone: no script, nothing from the network, light and dark as the
// reader's system is, fit for printing.
#pragma once

#include <string>

#include "libstore/report/facts.h"
#include "libstore/scan/store_survey.h"

namespace rmq::report {

[[nodiscard]] std::string page_of(const StoreFacts& facts, const scan::StoreSurvey& survey);

}  // namespace rmq::report
