% if queue:
${function(title, slug, "main", "Works on the jobs of its queue.", 24000)}\
      Events:
        Jobs:
          Type: SQS
          Properties:
            Queue: !GetAtt ${title}Queue.Arn
            BatchSize: 10
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: { MaximumConcurrency: 2 }
${monitoring(title, slug, 24000)}\
% endif
% if api:
${function(api_id, api_name, api_module, "Answers over HTTP.", 1000)}\
      ReservedConcurrentExecutions: !Ref ApiConcurrency
      Events:
% if resource:
        Root: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: ANY, Path: ${path} } }
% endif
        Proxy: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: ANY, Path: "${path}/{proxy+}" } }
${monitoring(api_id, api_name, 1000)}\
% endif
<%def name="function(id, function_name, module, description, slow_ms)">\
  ${id}Function:
    Type: AWS::Serverless::Function
    DependsOn: Schema
    Metadata: { Dockerfile: ${folder}/Dockerfile, DockerContext: ., DockerBuildTarget: runtime }
    Properties:
      PackageType: Image
      FunctionName: !Sub "${stack}-${function_name}"
      Description: ${description}
      ImageConfig: { Command: [${package}.${module}.lambda_handler] }
      LoggingConfig: { LogGroup: !Ref ${id}Logs }
      AutoPublishCodeSha256: !Ref Release
      DeploymentPreference:
        Alarms: [!GetAtt ${id}Alarms.Outputs.NewVersionFails, !GetAtt ${id}Alarms.Outputs.NewVersionIsSlow]
      Environment: { Variables: { POWERTOOLS_SERVICE_NAME: ${function_name} } }
      Policies: [!Ref Access]
</%def>
<%def name="monitoring(id, function_name, slow_ms)">\
  ${id}Logs:
    Type: AWS::Logs::LogGroup
    Properties: { LogGroupName: !Sub "/aws/lambda/${stack}-${function_name}", RetentionInDays: !Ref LogRetentionDays }
  ${id}Alarms:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: layers/monitoring/function.yaml
      Parameters:
        FunctionName: !Ref ${id}Function
% if id == title and queue:
        Queue: !GetAtt ${title}Queue.QueueName
% endif
        Version: !GetAtt ${id}Function.Version.Version
        SlowMs: ${slow_ms}
        AlarmTopic: !Ref AlarmTopic
</%def>
