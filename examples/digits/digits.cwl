cwlVersion: v1.2
class: Workflow

requirements:
  MultipleInputFeatureRequirement: {}

inputs: []

outputs:
  outDS:
    type: string
    outputSource: report/outDS

steps:
  prepare:
    run: prun
    in:
      opt_exec: {default: "python3 prepare.py digits.csv.gz train.csv test.csv"}
      opt_args: {default: "--outputs train.csv,test.csv --memory 200 --disk 100"}
    out: [outDS]
  search:
    run: phpo
    in:
      opt_trainingDS: prepare/outDS
      opt_trainingDsType: {default: train.csv}
      opt_args: {default: "--loadJson search.json"}
    out: [outDS]
  best:
    run: prun
    in:
      opt_inDS: search/outDS
      opt_secondaryDSs: [prepare/outDS, prepare/outDS]
      opt_secondaryDsTypes: {default: [train.csv, test.csv]}
      opt_exec: {default: "python3 best.py %IN %IN2 %IN3 found.json points.json"}
      opt_args:
        default: >-
          --outputs found.json,points.json --secondaryDSs IN2:1:%{DS1},IN3:1:%{DS2}
          --nJobs 1 --memory 200 --disk 100
    out: [outDS]
  report:
    run: prun
    in:
      opt_inDS: best/outDS
      opt_inDsType: {default: found.json}
      opt_secondaryDSs: [best/outDS]
      opt_secondaryDsTypes: {default: [points.json]}
      opt_exec:
        default: >-
          python3 merge.py %IN confusion.json &&
          python3 picture.py confusion.json confusion.svg 'the best model of the search' &&
          python3 report.py %IN2 confusion.json confusion.svg report.html
      opt_args:
        default: >-
          --outputs report.html --secondaryDSs IN2:1:%{DS1} --nJobs 1 --memory 200 --disk 100
    out: [outDS]
